package packet

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

var seeds = []string{
	"0", `0{"token":"123"}`, "0/custom", "0/dyn-3?token=abc&x=1,", "1/custom,", "2", `2/custom,5["echo",1,"é"]`, `2007["a"]`,
	` 2 [ "a" ] `, `2[1,"x"]`, `2["\u0063onnect"]`, `2["a","\ud800"]`, "31", "317[]", `4/g,"no way"`,
	`52-8["echo",{"_placeholder":true,"num":0},{"x":[{"_placeholder":true,"num":1}]}]`, `61-1[{"num":0,"_placeholder":true}]`,
	`511-["a"]`, `50-["a",{"_placeholder":true,"num":0}]`, `2["a"` + strings.Repeat(",1", MaxArgs) + "]", "2" + nested(MaxNesting),
}

func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var p Packet
		var err error
		used := allocated(func() {
			if p, err = Decode(in); err == nil && p.Type.event() {
				_, _, _ = p.Event()
			} else if err == nil {
				_, _ = p.Args()
			}
		})
		// An argument is 24 bytes, and 2 on the wire at least.
		if most := 10*len(in) + 16<<10; used > most {
			t.Errorf("Decode(%d bytes) allocated %d bytes, want at most %d", len(in), used, most)
		}
		if err != nil {
			return
		}
		out := p.Append(nil)
		if back, err := Decode(out); err != nil || !equal(back, p) {
			t.Errorf("Decode(%q) = %+v, and of what that encodes to, %q, %+v, %v", in, p, out, back, err)
		}
		if p.Type.ack() || p.Type.event() && len(p.Data) > 0 {
			checkValues(t, p)
		}
	})
}

// checkValues holds Event and Args against encoding/json.
func checkValues(t *testing.T, p Packet) {
	var want []json.RawMessage
	if len(p.Data) > 0 {
		if err := json.Unmarshal(p.Data, &want); err != nil {
			t.Fatalf("Decode let pass %q: %v", p.Data, err)
		}
	}
	got, err := p.Args()
	if len(want) > MaxArgs {
		if !errors.Is(err, ErrArgs) {
			t.Errorf("Args of %d = %v, want %v", len(want), err, ErrArgs)
		}
		return
	}
	if err != nil || !slices.EqualFunc(got, want, sameBytes) {
		t.Errorf("Args(%q) = %q, %v, want %q", p.Data, got, err, want)
	}
	if !p.Type.event() {
		return
	}
	wantName := string(want[0])
	if wantName[0] == '"' {
		_ = json.Unmarshal(want[0], &wantName)
	}
	name, args, err := p.Event()
	if err != nil || name != wantName || !slices.EqualFunc(args, want[1:], sameBytes) {
		t.Errorf("Event(%q) = %q, %q, %v, want %q, %q", p.Data, name, args, err, wantName, want[1:])
	}
}

// allocated is how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

func FuzzAppendArray(f *testing.F) {
	f.Add("/", int64(NoID), "tick", `{"x":"é"}`)
	f.Add("/custom", int64(0), `a"b\`, "1")
	f.Add("/zimmer/é", int64(MaxID), "a\nb\xff\x1e", `[ ]`)
	f.Fuzz(func(t *testing.T, namespace string, id int64, name, arg string) {
		out := appendEvent(nil, namespace, id, name, []byte(arg))
		if want := (Packet{Type: Event, Namespace: namespace, ID: id}).Append(nil); !bytes.HasPrefix(out, want) {
			t.Errorf("appendEvent(%q, %d) = %q, want the prefix %q", namespace, id, out, want)
		}
		p, err := Decode(out)
		if err != nil || !json.Valid([]byte(arg)) || !strings.HasPrefix(namespace, "/") || strings.Contains(namespace, ",") {
			return
		}
		back, args, err := p.Event()
		if want := strings.ToValidUTF8(name, "\ufffd"); err != nil || utf8.ValidString(name) && back != want {
			t.Errorf("Event(%q) = %q, %v, want %q", out, back, err, want)
		}
		if again := appendEvent(nil, p.Namespace, p.ID, back, joined(args)...); !sameEvent(again, out) {
			t.Errorf("appendEvent of Decode(%q) = %q", out, again)
		}
	})
}

func joined(args []json.RawMessage) [][]byte {
	var list [][]byte
	for _, arg := range args {
		list = append(list, arg)
	}
	return list
}

// sameEvent compares packets but for white space and escapes.
func sameEvent(a, b []byte) bool {
	p, err := Decode(a)
	q, err2 := Decode(b)
	if err != nil || err2 != nil {
		return false
	}
	same := p.ID == q.ID && p.Namespace == q.Namespace
	return same && reflect.DeepEqual(value(p.Data), value(q.Data))
}

// value is JSON as encoding/json has it, or nil.
func value(data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

func FuzzAppendASCII(f *testing.F) {
	for _, s := range []string{"", `["é😀"]`, `{"世界":"\u2028` + "\u2028" + `"}`, "\"a\xffb\"", "12345678é"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		out := AppendASCII(nil, in)
		if !IsASCII(out) || IsASCII(in) && string(out) != string(in) {
			t.Errorf("AppendASCII(%q) = %q", in, out)
		}
		if !json.Valid(in) {
			return
		}
		if !json.Valid(out) || !reflect.DeepEqual(value(out), value(in)) {
			t.Errorf("AppendASCII(%q) = %q, which means something else", in, out)
		}
	})
}

// FuzzReconstruct holds the rewriting against a walk over decoded JSON.
func FuzzReconstruct(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(strings.TrimLeft(s, " 0123456789-/")), 2)
	}
	f.Add([]byte(`{"_placeholder":true,"a":{"_placeholder":true,"num":1},"num":0}`), 2)
	f.Add([]byte(`{"\u005fplaceholder":true,"num":0,"num":1}`), 2)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		attachments := make([][]byte, min(max(n, 0), MaxAttachments))
		for i := range attachments {
			attachments[i] = []byte{byte(i)}
		}
		out, err := Reconstruct(in, attachments)
		if (Placeholders(in, len(attachments)) == nil) != (err == nil) {
			t.Errorf("Placeholders and Reconstruct differ on %q: %v", in, err)
		}
		if err != nil {
			return
		}
		want, ok := filled(value(in), attachments)
		if !ok || !reflect.DeepEqual(value(out), want) {
			t.Errorf("Reconstruct(%q) = %q, want %v, %v", in, out, want, ok)
		}
	})
}

func filled(v any, attachments [][]byte) (any, bool) {
	ok := true
	switch v := v.(type) {
	case []any:
		for i := range v {
			var good bool
			v[i], good = filled(v[i], attachments)
			ok = ok && good
		}
	case map[string]any:
		if v["_placeholder"] == true {
			var i int
			num, _ := json.Marshal(v["num"])
			if json.Unmarshal(num, &i) != nil || i < 0 || i >= len(attachments) {
				return nil, false
			}
			data, _ := json.Marshal(attachments[i])
			return value(data), true
		}
		for key := range v {
			var good bool
			v[key], good = filled(v[key], attachments)
			ok = ok && good
		}
	}
	return v, ok
}

func FuzzDeconstruct(f *testing.F) {
	f.Add("bin", []byte{1, 2}, []byte{0xff}, "z")
	f.Add("", []byte{}, []byte(nil), `{"_placeholder":true,"num":0}`)
	f.Fuzz(func(t *testing.T, name string, a, b []byte, s string) {
		data, attachments, err := Deconstruct(name, map[string]any{"a": a, s: []any{s, b}}, Binary(a))
		if err != nil || Placeholders(data, len(attachments)) != nil {
			t.Fatalf("Deconstruct = %q, %q, %v", data, attachments, err)
		}
		p := Packet{Type: BinaryEvent, ID: NoID, Attachments: len(attachments), Data: append([]byte(`["x",`), data[1:]...)}
		if back, err := Decode(p.Append(nil)); err != nil || !bytes.Equal(back.Data, p.Data) {
			t.Fatalf("Decode(%q) = %+v, %v", p.Append(nil), back, err)
		}
		filled, err := Reconstruct(data, attachments)
		if err != nil {
			t.Fatal(err)
		}
		var got []json.RawMessage
		var last []byte
		if json.Unmarshal(filled, &got) != nil || json.Unmarshal(got[2], &last) != nil || !bytes.Equal(last, a) {
			t.Errorf("Reconstruct(%q) = %q, want %q last", data, filled, a)
		}
	})
}
