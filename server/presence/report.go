package presence

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"time"
)

// A report is who is in a channel on one node: names, or a number where there are
// too many. It is what nodes tell each other, each time all of it.
type report struct {
	Members     []string `json:"members,omitempty"` // ascending
	Guests      hashes   `json:"guests,omitempty"`  // ascending
	MoreMembers int      `json:"more_members,omitempty"`
	MoreGuests  int      `json:"more_guests,omitempty"`

	Said map[string]json.RawMessage `json:"said,omitempty"` // of members, compact

	Seq uint64 `json:"seq"`           // grows with each report of a node
	Ask bool   `json:"ask,omitempty"` // everybody is to say what they have

	at     time.Time // when it came
	former bool      // from before this node lost the others, and not said again since
}

func (r *report) empty() bool {
	return len(r.Members)+len(r.Guests)+r.MoreMembers+r.MoreGuests == 0
}

// same reports whether both are of the same people, and say the same of them.
func (r *report) same(as *report) bool {
	return r.MoreMembers == as.MoreMembers && r.MoreGuests == as.MoreGuests &&
		slices.Equal(r.Members, as.Members) && slices.Equal(r.Guests, as.Guests) &&
		maps.EqualFunc(r.Said, as.Said, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) })
}

// hashes are on the wire as one string, of 8 bytes each.
type hashes []uint64

const hashLength = 11 // bytes of one in base64

// MarshalJSON is [json.Marshaler].
func (h hashes) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, 8*len(h))
	for _, one := range h {
		b = binary.BigEndian.AppendUint64(b, one)
	}
	return json.Marshal(b)
}

// UnmarshalJSON is [json.Unmarshaler].
func (h *hashes) UnmarshalJSON(data []byte) error {
	var b []byte
	if err := json.Unmarshal(data, &b); err != nil {
		return err
	}
	if len(b)%8 != 0 {
		return errors.New("presence: half a hash")
	}
	*h = make(hashes, 0, len(b)/8)
	for ; len(b) > 0; b = b[8:] {
		*h = append(*h, binary.BigEndian.Uint64(b))
	}
	return nil
}
