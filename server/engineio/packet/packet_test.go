package packet

import (
	"bytes"
	"errors"
	"testing"
)

func text(t Type, data string) Packet { return Packet{Type: t, Data: []byte(data)} }
func raw(data string) Packet          { return Packet{Type: Message, Binary: true, Data: []byte(data)} }

func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Binary == b.Binary && bytes.Equal(a.Data, b.Data)
}

// The packets of PROTOCOL.md 2.2 to 2.8, 3.1 and 4, in their text form.
func TestText(t *testing.T) {
	const handshake = `{"sid":"Mjhjwey69B8RS7itAAAA","upgrades":["websocket"],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}`
	for _, tt := range []struct {
		name string
		v    Version
		in   string
		want Packet
		err  error
	}{
		{"handshake", V4, "0" + handshake, text(Open, handshake), nil},
		{"close", V4, "1", text(Close, ""), nil},
		{"ping", V4, "2", text(Ping, ""), nil},
		{"pong", V3, "3", text(Pong, ""), nil},
		{"probe", V4, "2probe", text(Ping, "probe"), nil},
		{"probe answer", V3, "3probe", text(Pong, "probe"), nil},
		{"message", V4, "4hello", text(Message, "hello"), nil},
		{"message in version 3", V3, "4hello", text(Message, "hello"), nil},
		{"message without data", V4, "4", text(Message, ""), nil},
		{"unicode", V4, "4hé 😀\u2028", text(Message, "hé 😀\u2028"), nil},
		{"upgrade", V4, "5", text(Upgrade, ""), nil},
		{"noop", V3, "6", text(Noop, ""), nil},
		{"binary", V4, "bAQIDBA==", raw("\x01\x02\x03\x04"), nil},
		{"binary in version 3", V3, "b4AQIDBA==", raw("\x01\x02\x03\x04"), nil},
		{"binary without data", V4, "b", raw(""), nil},
		{"binary without data in version 3", V3, "b4", raw(""), nil},

		{"nothing", V4, "", Packet{}, ErrEmpty},
		{"nothing in version 3", V3, "", Packet{}, ErrEmpty},
		{"type 7", V4, "7", Packet{}, ErrType},
		{"type 9", V4, "9", Packet{}, ErrType},
		{"type x", V4, "x", Packet{}, ErrType},
		{"type below the digits", V4, "/", Packet{}, ErrType},
		{"type as a number", V4, "\x04hello", Packet{}, ErrType},
		{"not UTF-8", V4, "4\xff", Packet{}, ErrUTF8},
		{"half a surrogate pair", V3, "4\xed\xa0\x80", Packet{}, ErrUTF8},
		{"binary without type", V3, "b", Packet{}, ErrType},
		{"binary ping", V3, "b2AQID", Packet{}, ErrType},
		{"base64 cut", V4, "bAQI", Packet{}, ErrBase64},
		{"base64 of other characters", V4, "bA_-Q", Packet{}, ErrBase64},
		{"base64 with a newline", V4, "bAQ\nID", Packet{}, ErrBase64},
		{"base64 with bits left", V3, "b4AR==", Packet{}, ErrBase64},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.v.DecodeText([]byte(tt.in))
			if !errors.Is(err, tt.err) || !equal(got, tt.want) {
				t.Fatalf("DecodeText(%q) = %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
			}
			if err != nil {
				return
			}
			if out := tt.v.AppendText([]byte("x"), got); string(out) != "x"+tt.in {
				t.Errorf("AppendText(%v) = %q, want %q", got, out, "x"+tt.in)
			}
		})
	}
}

// The binary frames of PROTOCOL.md 3.1 and chapter 4.
func TestBinary(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    Version
		in   string
		want Packet
		err  error
	}{
		{"version 4", V4, "\x01\x02\x03\x04", raw("\x01\x02\x03\x04"), nil},
		{"version 4 without data", V4, "", raw(""), nil},
		{"version 3", V3, "\x04\x01\x02\x03\x04", raw("\x01\x02\x03\x04"), nil},
		{"version 3 without data", V3, "\x04", raw(""), nil},
		{"version 3, nothing", V3, "", Packet{}, ErrEmpty},
		{"version 3, type as a digit", V3, "4\x01", Packet{}, ErrType},
		{"version 3, ping", V3, "\x02", Packet{}, ErrType},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.v.DecodeBinary([]byte(tt.in))
			if !errors.Is(err, tt.err) || !equal(got, tt.want) {
				t.Fatalf("DecodeBinary(%q) = %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
			}
			if err != nil {
				return
			}
			if out := tt.v.AppendBinary([]byte("x"), got); string(out) != "x"+tt.in {
				t.Errorf("AppendBinary(%v) = %q, want %q", got, out, "x"+tt.in)
			}
		})
	}
}

// Frames are decoded where they are.
func TestAlias(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		decode   func([]byte) (Packet, error)
	}{
		{"text", "4x", V4.DecodeText},
		{"binary", "x", V4.DecodeBinary},
		{"binary in version 3", "\x04x", V3.DecodeBinary},
	} {
		in := []byte(tt.in)
		p, err := tt.decode(in)
		in[len(in)-1] = 'y'
		if err != nil || string(p.Data) != "y" {
			t.Errorf("%s: Data = %q, %v, want an alias of the frame", tt.name, p.Data, err)
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{
		Open: "open", Close: "close", Ping: "ping", Pong: "pong",
		Message: "message", Upgrade: "upgrade", Noop: "noop", 7: "unknown",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d).String() = %q, want %q", typ, got, want)
		}
	}
}
