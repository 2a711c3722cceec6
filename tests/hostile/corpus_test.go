package hostile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// An input is one entry of the corpus, as its meta describes it.
type input struct {
	Name, Category, Stage string
	EIO                   int
	Bytes                 []byte
	Repeat                *struct {
		At    int
		Unit  []byte
		Count int
	}
	Forbid []string // besides what is wanted
	After  string   // what is sent next
}

// corpus is all of it.
func corpus(t *testing.T) []input {
	t.Helper()
	text, err := os.ReadFile("testdata/badinputs.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Meta   struct{ Count int }
		Inputs []input
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Inputs) != file.Meta.Count || len(file.Inputs) == 0 {
		t.Fatalf("the corpus has %d inputs and says %d", len(file.Inputs), file.Meta.Count)
	}
	return file.Inputs
}

// named is one entry.
func named(t *testing.T, name string) input {
	t.Helper()
	list := corpus(t)
	i := slices.IndexFunc(list, func(in input) bool { return in.Name == name })
	if i < 0 {
		t.Fatalf("the corpus has no %s", name)
	}
	return list[i]
}

// raw is what is sent, with the session id and the publish key in their places.
func (in input) raw(sid string) []byte {
	p := in.Bytes
	if r := in.Repeat; r != nil {
		p = slices.Concat(p[:r.At], bytes.Repeat(r.Unit, r.Count), p[r.At:])
	}
	if strings.HasPrefix(in.Stage, "ws-") && in.Repeat == nil {
		if q, ok := inFrame(p, sid); ok {
			return q
		}
	}
	p = bytes.ReplaceAll(p, []byte("{SID}"), []byte(sid))
	return bytes.ReplaceAll(p, []byte("{SECRET}"), []byte(publishKey))
}

// inFrame is a frame that holds a session id, with the right one. It is not ok
// if p is anything else.
func inFrame(p []byte, sid string) (frame []byte, ok bool) {
	f, err := readFrame(bytes.NewReader(p))
	if err != nil || !f.Header.Masked {
		return nil, false
	}
	text := ws.UnmaskFrame(f).Payload
	if !bytes.Contains(text, []byte("{SID}")) {
		return nil, false
	}
	return clientFrame(ws.OpText, bytes.ReplaceAll(text, []byte("{SID}"), []byte(sid))), true
}

// text is what the first frame of the input says, for the inputs that are one
// frame, however long.
func (in input) text(sid string) string {
	f, err := readFrame(bytes.NewReader(in.raw(sid)))
	if err != nil || !f.Header.Masked {
		return ""
	}
	return string(ws.UnmaskFrame(f).Payload)
}

// readFrame reads one frame, of a length that can be.
func readFrame(r io.Reader) (f ws.Frame, err error) {
	if f.Header, err = ws.ReadHeader(r); err != nil {
		return f, err
	}
	if f.Header.Length > 4<<20 {
		return f, fmt.Errorf("a frame of %d bytes", f.Header.Length)
	}
	f.Payload = make([]byte, f.Header.Length)
	_, err = io.ReadFull(r, f.Payload)
	return f, err
}

// clientFrame is a frame of a client.
func clientFrame(op ws.OpCode, payload []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrame(ws.NewFrame(op, true, payload)))
}
