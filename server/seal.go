package server

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// A nodeMessage is what one node says to others: a question of some kind, or
// the answer to one.
type nodeMessage struct {
	Node string          `json:"node"`           // who says it
	ID   string          `json:"id"`             // random
	Time int64           `json:"time"`           // when, in Unix milliseconds
	Kind string          `json:"kind,omitempty"` // of a question
	To   string          `json:"to,omitempty"`   // of an answer: the ID of the question
	Body json.RawMessage `json:"body,omitempty"`
}

// A seal makes node messages that only those who have a key can make. On the
// wire one is {"mac":"…","message":{…}}, in exactly this form, with the
// HMAC-SHA256 of a word of ours, the tag and the message, so that what was
// said in one place cannot be repeated in another. What is refused has not
// been parsed.
//
// Its methods may be called from any goroutine.
type seal struct {
	// Constant.
	now   func() time.Time
	begun int64 // Unix milliseconds; what was said before may have been heard before

	keys atomic.Pointer[[][]byte] // the first signs, all are believed

	mu     sync.Mutex
	known  map[string]struct{} // guarded by mu; the IDs of forget
	forget []heard             // guarded by mu; oldest first
}

// heard is a message that must not come again, until nobody would believe it
// for its age.
type heard struct {
	id    string
	until time.Time
}

// freshness is how old a node message may be, and how far ahead, since clocks
// differ.
const freshness = 30 * time.Second

// The form of a message on the wire.
const (
	sealHead   = `{"mac":"`
	sealMiddle = `","message":`
	sealTail   = `}`
)

var (
	errForged = errors.New("server: a message to the nodes bears no signature of ours")
	errStale  = errors.New("server: a message to the nodes is too old, or a clock is wrong")
	errTwice  = errors.New("server: a message to the nodes came twice")
)

func newSeal(keys [][]byte, now func() time.Time) *seal {
	s := &seal{now: now, begun: now().UnixMilli(), known: make(map[string]struct{})}
	s.use(keys)
	return s
}

// use replaces the keys.
func (s *seal) use(keys [][]byte) { s.keys.Store(&keys) }

// signature is that of the first key.
func (s *seal) signature(tag string, message []byte) []byte {
	return sign((*s.keys.Load())[0], tag, message)
}

// close makes the bytes to publish on tag, and sets Time.
func (s *seal) close(tag string, m nodeMessage) ([]byte, error) {
	m.Time = s.now().UnixMilli()
	message, err := encodeNode(m)
	if err != nil {
		return nil, err
	}
	mac := base64.RawStdEncoding.EncodeToString(s.signature(tag, message))
	return []byte(sealHead + mac + sealMiddle + string(message) + sealTail), nil
}

// open reads what came on tag. Each message opens once.
func (s *seal) open(tag string, data []byte) (m nodeMessage, err error) {
	rest, ok := bytes.CutPrefix(data, []byte(sealHead))
	encoded, message, found := bytes.Cut(rest, []byte(sealMiddle))
	message, whole := bytes.CutSuffix(message, []byte(sealTail))
	mac, err := base64.RawStdEncoding.AppendDecode(nil, encoded)
	if !ok || !found || !whole || err != nil || !s.signed(tag, message, mac) {
		return nodeMessage{}, errForged
	}
	if err := json.Unmarshal(message, &m); err != nil {
		return nodeMessage{}, errForged // ours can be read
	}
	now := s.now()
	if age := now.Sub(time.UnixMilli(m.Time)); age > freshness || age < -freshness || m.Time < s.begun {
		return nodeMessage{}, errStale
	}
	if !s.first(m.ID, now) {
		return nodeMessage{}, errTwice
	}
	return m, nil
}

func (s *seal) signed(tag string, message, mac []byte) bool {
	for _, key := range *s.keys.Load() {
		if hmac.Equal(mac, sign(key, tag, message)) {
			return true
		}
	}
	return false
}

// first reports whether this ID has not been here before.
func (s *seal) first(id string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.forget) > 0 && now.After(s.forget[0].until) {
		delete(s.known, s.forget[0].id)
		s.forget = s.forget[1:]
	}
	if _, twice := s.known[id]; twice {
		return false
	}
	s.known[id] = struct{}{}
	s.forget = append(s.forget, heard{id, now.Add(2 * freshness)}) // it may be ahead of us by one
	return true
}

func sign(key []byte, tag string, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("stream-server node message\x00" + tag + "\x00"))
	mac.Write(message)
	return mac.Sum(nil)
}

// encodeNode is JSON as short as can be: no tag of a channel grows by more than twice.
func encodeNode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
