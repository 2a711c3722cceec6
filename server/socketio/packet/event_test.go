package packet

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

func list(values ...string) []json.RawMessage {
	var raw []json.RawMessage
	for _, v := range values {
		raw = append(raw, json.RawMessage(v))
	}
	return raw
}

func sameBytes(a, b json.RawMessage) bool { return bytes.Equal(a, b) }

func TestEvent(t *testing.T) {
	for _, tt := range []struct {
		data, name string
		args       []json.RawMessage
		err        error
	}{
		{`["tick"]`, "tick", nil, nil},
		{`["a",1,"é",null,true,-1.5e3]`, "a", list("1", `"é"`, "null", "true", "-1.5e3"), nil},
		{` [ "a" , [ 1 , 2 ] , { "x" : "]," } ] `, "a", list("[ 1 , 2 ]", `{ "x" : "]," }`), nil},
		{`["a\"b\\","\\"]`, `a"b\`, list(`"\\"`), nil},
		{`["\u00e9\ud83d\ude00"]`, "é😀", nil, nil},
		{`["",{}]`, "", list("{}"), nil},
		{`[1,"x"]`, "1", list(`"x"`), nil},
		{`[-1]`, "-1", nil, nil},
		{"", "", nil, ErrPayload},
		{"{}", "", nil, ErrPayload},
		{"[]", "", nil, ErrPayload},
		{"[null]", "", nil, ErrPayload},
		{`["a"` + strings.Repeat(",1", MaxArgs-1) + "]", "a", slices.Repeat(list("1"), MaxArgs-1), nil},
		{`["a"` + strings.Repeat(",1", MaxArgs) + "]", "", nil, ErrArgs},
	} {
		t.Run(tt.data[:min(len(tt.data), 40)], func(t *testing.T) {
			name, args, err := Packet{Type: Event, Data: []byte(tt.data)}.Event()
			if name != tt.name || !slices.EqualFunc(args, tt.args, sameBytes) || !errors.Is(err, tt.err) {
				t.Errorf("Event(%.40s) = %q, %s, %v, want %q, %s, %v", tt.data, name, args, err, tt.name, tt.args, tt.err)
			}
		})
	}
}

func TestArgs(t *testing.T) {
	for _, tt := range []struct {
		data string
		want []json.RawMessage
		err  error
	}{
		{"", nil, nil},
		{"[]", nil, nil},
		{`[1,"é"]`, list("1", `"é"`), nil},
		{"{}", nil, ErrPayload},
		{"[1" + strings.Repeat(",1", MaxArgs) + "]", nil, ErrArgs},
	} {
		got, err := Packet{Type: Ack, Data: []byte(tt.data)}.Args()
		if !slices.EqualFunc(got, tt.want, sameBytes) || !errors.Is(err, tt.err) {
			t.Errorf("Args(%.40s) = %s, %v, want %s, %v", tt.data, got, err, tt.want, tt.err)
		}
	}
}

func TestAppendArray(t *testing.T) {
	for _, tt := range []struct {
		namespace string
		id        int64
		name      string
		args      []string
		want      string
	}{
		{"/", NoID, "tick", []string{"1", `"Q86L8ar"`}, `2["tick",1,"Q86L8ar"]`},
		{"", NoID, "tick", nil, `2["tick"]`},
		{"/custom", 5, "echo", []string{"1", `"é"`}, `2/custom,5["echo",1,"é"]`},
		{"/custom", 0, "please-ack", []string{`"v"`}, `2/custom,0["please-ack","v"]`},
		{"/", NoID, "zimmer/é", nil, `2["zimmer/é"]`},
		{"/", NoID, `"\`, nil, `2["\"\\"]`},
		{"/", NoID, "a\nb\x1e", nil, `2["a\nb\u001e"]`},
		{"/", NoID, "\xff", nil, `2["\ufffd"]`},
	} {
		var args [][]byte
		for _, arg := range tt.args {
			args = append(args, []byte(arg))
		}
		if got := string(appendEvent([]byte("x"), tt.namespace, tt.id, tt.name, args...)); got != "x"+tt.want {
			t.Errorf("appendEvent(%q, %d, %q, %s) = %s, want %s", tt.namespace, tt.id, tt.name, tt.args, got, "x"+tt.want)
		}
	}
}

// PROTOCOL.md 3.4: what all the dialects of Engine.IO 3 read alike.
func TestAppendASCII(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		`2["echo","x"]`:                  `2["echo","x"]`,
		`2["echo","é😀"]`:                 `2["echo","\u00e9\ud83d\ude00"]`,
		"世界\u2028\u0080\uffff\U0010ffff": `\u4e16\u754c\u2028\u0080\uffff\udbff\udfff`,
		"\x7f":                           "\x7f",
		"12345678é12345678":              `12345678\u00e912345678`,
		"a\xffb\xc3":                     `a\ufffdb\ufffd`,
		"\ufffd":                         `\ufffd`,
	} {
		if got := string(AppendASCII([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("AppendASCII(%q) = %s, want %s", in, got, "x"+want)
		}
		if got := IsASCII([]byte(in)); got != (in == want) {
			t.Errorf("IsASCII(%q) = %v, want %v", in, got, in == want)
		}
	}
}

// appendEvent is a whole event.
func appendEvent(dst []byte, namespace string, id int64, name string, args ...[]byte) []byte {
	return Packet{Type: Event, Namespace: namespace, ID: id, Data: AppendArray(nil, name, args...)}.Append(dst)
}
