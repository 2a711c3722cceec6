package legacy

import (
	"errors"
	"slices"
	"testing"

	"github.com/sb-stream/stream-server/server/socketio/packet"
)

// The packets of PROTOCOL.md 7.2.
func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want string // as a client of today would send it
		ack  string
		err  error
	}{
		{"0::/chat", "1/chat,", "", nil},
		{"1::/chat?token=1", "0/chat?token=1,", "", nil},
		{"1::", "0", "", nil},
		{"3:::hello", `2["message","hello"]`, "", nil},
		{"3:::a:b \"é\" 😀", `2["message","a:b \"é\" 😀"]`, "", nil},
		{"3:::", `2["message",""]`, "", nil},
		{"3:5::hello", `2["message","hello"]`, "6:::5", nil},
		{"3:5+::hello", `25["message","hello"]`, "", nil},
		{"3:5+:/chat:hello", `2/chat,5["message","hello"]`, "", nil},
		{`4:::{"a":1}`, `2["message",{"a":1}]`, "", nil},
		{`5:::{"name":"echo","args":["x",{"y":[]}]}`, `2["echo","x",{"y":[]}]`, "", nil},
		{`5:::{"name":"echo"}`, `2["echo"]`, "", nil},
		{`5:1+::{"name":"echo","args":[]}`, `21["echo"]`, "", nil},
		{`5:1:/chat:{"name":"echo"}`, `2/chat,["echo"]`, "6:::1", nil},
		{"6:::5", "35[]", "", nil},
		{`6:::1+["x",2]`, `31["x",2]`, "", nil},
		{`6::/chat:1+["x"]`, `3/chat,1["x"]`, "", nil},

		{"", "", "", ErrForm},
		{"3", "", "", ErrForm},
		{"3:", "", "", ErrForm},
		{"33:::x", "", "", ErrForm},
		{"3:x::y", "", "", ErrForm},
		{"3:+::y", "", "", ErrForm},
		{"3:-1::y", "", "", ErrForm},
		{"3:99999999999999999999::y", "", "", ErrForm},
		{"3::chat:y", "", "", ErrForm},
		{"3::/a,b:y", "", "", ErrForm},
		{"7:::1+0", "", "", ErrType},
		{"9::", "", "", ErrType},
		{"4:::{", "", "", packet.ErrJSON},
		{"5:::[]", "", "", packet.ErrJSON},
		{`5:::{"name":"disconnect"}`, "", "", packet.ErrReserved},
		{"6:::x", "", "", packet.ErrID},
		{"6:::1+{}", "", "", packet.ErrPayload},
	} {
		got, ack, err := Decode([]byte(tt.in))
		if !errors.Is(err, tt.err) || string(ack) != tt.ack || err == nil && string(got.Append(nil)) != tt.want {
			t.Errorf("Decode(%q) = %s, ack %q, %v, want %s, %q, %v", tt.in, got.Append(nil), ack, err, tt.want, tt.ack, tt.err)
		}
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"0", "1::"},
		{"0/chat,", "1::/chat"},
		{`0{"sid":"x"}`, "1::"},
		{"1", "0::"},
		{"1/chat,", "0::/chat"},
		{`4/chat,{"message":"Invalid namespace"}`, "7::/chat:2"},
		{`2["x"]`, `5:::{"name":"x","args":[]}`},
		{`2/chat,["x","é",{"a":[1]}]`, `5::/chat:{"name":"x","args":["é",{"a":[1]}]}`},
		{`27["x",1]`, `5:7+::{"name":"x","args":[1]}`},
		{`37[1,"a"]`, `6:::7+[1,"a"]`},
		{`3/chat,7[]`, `6::/chat:7+[]`},
		{`51-["x",{"_placeholder":true,"num":0}]`, `5:::{"name":"x","args":["AQID"]}`},
		{`61-7[{"_placeholder":true,"num":0}]`, `6:::7+["AQID"]`},
	} {
		p, err := packet.Decode([]byte(tt.in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Append(nil, p, slices.Repeat([][]byte{{1, 2, 3}}, p.Attachments))
		if err != nil || string(got) != tt.want {
			t.Errorf("Append(%s) = %s, %v, want %s", tt.in, got, err, tt.want)
		}
	}
	if _, err := Append(nil, packet.Packet{Type: packet.Event, ID: packet.NoID, Data: []byte("[]")}, nil); err == nil {
		t.Error("Append of an event without a name has no error")
	}
}

// What is decoded and encoded as a packet of the server, and decoded again, is
// the same.
func FuzzLegacy(f *testing.F) {
	for _, s := range []string{
		"3:5+:/chat:hello", `4:::{"a":1}`, `5:1+::{"name":"echo","args":["x"]}`, `6:::1+["x",2]`, "1::/chat?token=1", "0::/chat", "3:1::é😀",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		p, _, err := Decode(in)
		if err != nil || p.Attachments > 0 {
			return
		}
		out, err := Append(nil, p, nil)
		if err != nil {
			t.Fatalf("Append(Decode(%q)) = %v", in, err)
		}
		back, ack, err := Decode(out)
		if err != nil || ack != nil || back.Type != p.Type || back.Namespace != p.Namespace || back.ID != p.ID {
			t.Errorf("Decode(%q) = %+v, and of %q, %+v, %q, %v", in, p, out, back, ack, err)
		}
	})
}
