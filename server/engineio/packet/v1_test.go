package packet

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// The packets and payloads of PROTOCOL.md 7.2 and 7.3.
func TestV1Text(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Packet
		err  error
	}{
		{"1::", Packet{Type: Message, Data: []byte("1::")}, nil},
		{"0::", Packet{Type: Close}, nil},
		{"0::/chat", Packet{Type: Message, Data: []byte("0::/chat")}, nil},
		{"2::", Packet{Type: Pong}, nil},
		{"8::", Packet{Type: Noop}, nil},
		{`5:1+::{"name":"é"}`, Packet{Type: Message, Data: []byte(`5:1+::{"name":"é"}`)}, nil},
		{"", Packet{}, ErrEmpty},
		{"9::", Packet{}, ErrType},
		{"x", Packet{}, ErrType},
		{"3", Packet{}, ErrType},
		{"4hello", Packet{}, ErrType},
		{"3:::\xff", Packet{}, ErrUTF8},
	} {
		got, err := V1.DecodeText([]byte(tt.in))
		if !errors.Is(err, tt.err) || !equal(got, tt.want) {
			t.Errorf("DecodeText(%q) = %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
	if _, err := V1.DecodeBinary([]byte{4}); !errors.Is(err, ErrContent) {
		t.Errorf("DecodeBinary = %v, want ErrContent", err)
	}
	for want, p := range map[string]Packet{"2::": {Type: Ping}, "0::": {Type: Close}, "8::": {Type: Noop}, "": {Type: Upgrade}} {
		if got := string(V1.AppendText(nil, p)); got != want {
			t.Errorf("AppendText(%v) = %q, want %q", p, got, want)
		}
	}
}

func TestV1Payload(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []string
		err  error
	}{
		{"3:::m1", []string{"3:::m1"}, nil},
		{"\ufffd6\ufffd3:::m1\ufffd11\ufffd4:::{\"k\":1}\ufffd10\ufffd3:2::acked", []string{"3:::m1", `4:::{"k":1}`, "3:2::acked"}, nil},
		{"\ufffd6\ufffd3:::😀", []string{"3:::😀"}, nil}, // two units
		{"\ufffd5\ufffd3:::\ufffd\ufffd3\ufffd1::", []string{"3:::\ufffd", "1::"}, nil},
		{"\ufffd3\ufffd1::3:::x", nil, ErrLength},
		{"\ufffd4\ufffd1::", nil, ErrLength},
		{"\ufffd5\ufffd3:::😀", nil, ErrLength}, // in the middle of a pair
		{"\ufffd\ufffd1::", nil, ErrLength},
		{"\ufffdx\ufffd1::", nil, ErrLength},
		{"\ufffd03\ufffd1::", nil, ErrLength},
		{"\ufffd99999999999999999999\ufffd1::", nil, ErrLength},
		{"\ufffd3", nil, ErrLength},
		{"\ufffd0\ufffd", nil, ErrEmpty},
		{"", nil, ErrEmpty},
		{strings.Repeat("\ufffd3\ufffd1::", limit+1), nil, ErrTooMany},
	} {
		list, err := V1.DecodePayload([]byte(tt.in), false, limit)
		var got []string
		var encoded []Encoded
		for _, p := range list {
			got = append(got, string(p.Data))
			encoded = append(encoded, Encoded{Data: p.Data})
		}
		if !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
			t.Errorf("DecodePayload(%q) = %q, %v, want %q, %v", tt.in, got, err, tt.want, tt.err)
		}
		if len(list) > 1 {
			if out, _ := V1.AppendPayload(nil, encoded, false); string(out) != tt.in {
				t.Errorf("AppendPayload(%q) = %q, want %q", got, out, tt.in)
			}
		}
	}
}

func FuzzV1(f *testing.F) {
	for _, s := range []string{
		"3:::m1", "\ufffd6\ufffd3:::m1\ufffd3\ufffd2::", "\ufffd6\ufffd3:::😀", "0::", "\ufffd", "\ufffd1\ufffd", `6:::1+["x",2]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var list []Packet
		var err error
		used := allocated(func() { list, err = V1.DecodePayload(in, false, limit) })
		if most := 10*len(in) + 16<<10; used > most {
			t.Errorf("DecodePayload(%d bytes) allocated %d bytes, want at most %d", len(in), used, most)
		}
		if err != nil {
			return
		}
		encoded := make([]Encoded, len(list))
		for i, p := range list {
			encoded[i] = Encoded{Data: V1.AppendText(nil, p)}
		}
		out, _ := V1.AppendPayload(nil, encoded, false)
		if len(list) > 1 && string(out) != string(in) || len(list) == 1 && !strings.HasSuffix(string(in), string(out)) {
			t.Errorf("AppendPayload(DecodePayload(%q)) = %q", in, out)
		}
		back, err := V1.DecodePayload(out, false, limit)
		if err != nil || !slices.EqualFunc(back, list, equal) {
			t.Errorf("DecodePayload(%q) = %v, and of %q, %v, %v", in, list, out, back, err)
		}
	})
}
