package packet

import (
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

const limit = 1000 // RELIABILITY.md section 2

// mixed is the answer that PROTOCOL.md 3.2, 3.3 and chapter 4 show in three
// forms.
var mixed = []Encoded{
	{Data: []byte(`42["a","hé 😀"]`)},
	{Data: []byte(`451-["b",{"_placeholder":true,"num":0}]`)},
	{Binary: true, Data: []byte{1, 2, 3, 4}},
	{Data: []byte(`42["c",3]`)},
}

const (
	mixedV4     = `42["a","hé 😀"]` + "\x1e" + `451-["b",{"_placeholder":true,"num":0}]` + "\x1ebAQIDBA==\x1e" + `42["c",3]`
	mixedText   = `15:42["a","hé 😀"]39:451-["b",{"_placeholder":true,"num":0}]10:b4AQIDBA==9:42["c",3]`
	mixedBinary = "000108ff34325b2261222c2268c3a920f09f9880225d000309ff3435312d5b2262222c7b225f706c616365686f6c646572223a" +
		"747275652c226e756d223a307d5d0105ff04010203040009ff34325b2263222c335d"
)

func unhex(s string) string {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func texts(list ...string) []Encoded {
	var encoded []Encoded
	for _, s := range list {
		encoded = append(encoded, Encoded{Data: []byte(s)})
	}
	return encoded
}

// What is sent and received, the same both ways.
func TestPayload(t *testing.T) {
	for _, tt := range []struct {
		name   string
		v      Version
		list   []Encoded
		b64    bool
		want   string
		binary bool
	}{
		{"one", V4, texts("4hello"), false, "4hello", false},
		{"three", V4, texts("4test1", "4test2", "4test3"), false, "4test1\x1e4test2\x1e4test3", false},
		{"disconnect and close", V4, texts("6", "1"), false, "6\x1e1", false},
		{"text and binary", V4, mixed, false, mixedV4, false},
		{"b64 changes nothing in version 4", V4, mixed, true, mixedV4, false},
		{"binary event", V4, []Encoded{{Data: []byte(`451-["echo",{"_placeholder":true,"num":0}]`)}, {Binary: true, Data: []byte{1, 2, 3, 4}}}, false, `451-["echo",{"_placeholder":true,"num":0}]` + "\x1ebAQIDBA==", false},
		{"empty binary", V4, []Encoded{{Binary: true}, {Binary: true}}, false, "b\x1eb", false},

		{"version 3, connect", V3, texts("40"), false, "2:40", false},
		{"version 3, noop", V3, texts("6"), false, "1:6", false},
		{"version 3, close", V3, texts("1"), true, "1:1", false},
		{"version 3, nothing", V3, nil, false, "0:", false},
		{"version 3, merged handshake", V3, texts(`0{"sid":"x"}`, "40"), false, `12:0{"sid":"x"}2:40`, false},
		{"version 3, unicode", V3, texts(`42["echo-back","hé 😀"]`), false, `23:42["echo-back","hé 😀"]`, false},
		{"version 3, ack and ping", V3, texts(`420["echo","x"]`, "2"), false, `15:420["echo","x"]1:2`, false},
		{"version 3, pong and ack", V3, texts("3", `430["x"]`), false, `1:38:430["x"]`, false},
		{"version 3, 2.x dialect", V3, texts(`42["echo","é😀"]`), false, `16:42["echo","é😀"]`, false},
		{"version 3, 1.x dialect", V3, texts("42[\"echo\",\"\u00c3\u00a9\u00f0\u009f\u0098\u0080\"]"), false, "19:42[\"echo\",\"\u00c3\u00a9\u00f0\u009f\u0098\u0080\"]", false},
		{"version 3, base64", V3, mixed, true, mixedText, false},
		{"version 3, binary", V3, mixed, false, unhex(mixedBinary), true},
		{"version 3, empty binary", V3, []Encoded{{Binary: true}}, false, "\x01\x01\xff\x04", true},
		{"version 3, empty binary in base64", V3, []Encoded{{Binary: true}}, true, "2:b4", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, binary := tt.v.AppendPayload([]byte("x"), tt.list, tt.b64)
			if string(got) != "x"+tt.want || binary != tt.binary {
				t.Fatalf("AppendPayload = %q, %v, want %q, %v", got, binary, "x"+tt.want, tt.binary)
			}
			back, err := tt.v.DecodePayload([]byte(tt.want), binary, len(tt.list)+1)
			if err != nil || !slices.EqualFunc(back, tt.list, isEncoded(tt.v)) {
				t.Errorf("DecodePayload(%q) = %v, %v, want %v", tt.want, back, err, tt.list)
			}
		})
	}
}

func isEncoded(v Version) func(Packet, Encoded) bool {
	return func(p Packet, e Encoded) bool {
		if e.Binary {
			return p.Binary && string(p.Data) == string(e.Data)
		}
		return string(v.AppendText(nil, p)) == string(e.Data)
	}
}

// What clients send that servers do not.
func TestDecodePayload(t *testing.T) {
	for _, tt := range []struct {
		name string
		v    Version
		in   string
		want []Packet
	}{
		{"nothing", V3, "0:", nil},
		{"nothing between", V3, "1:20:1:2", []Packet{text(Ping, ""), text(Ping, "")}},
		{"a digit after a packet", V3, "2:401:2", []Packet{text(Message, "0"), text(Ping, "")}},
		{"version 3 framing is a noop with data", V4, "6:4hello", []Packet{text(Noop, ":4hello")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.v.DecodePayload([]byte(tt.in), false, limit)
			if err != nil || !slices.EqualFunc(got, tt.want, equal) {
				t.Errorf("DecodePayload(%q) = %v, %v, want %v", tt.in, got, err, tt.want)
			}
		})
	}
}

func TestDecodePayloadRejects(t *testing.T) {
	for _, tt := range []struct {
		name   string
		v      Version
		binary bool
		in     string
		want   error
	}{
		{"empty", V4, false, "", ErrEmpty},
		{"garbage", V4, false, "abc", ErrType},
		{"type 7", V4, false, "7", ErrType},
		{"separator alone", V4, false, "\x1e", ErrEmpty},
		{"separator at the end", V4, false, "4a\x1e", ErrEmpty},
		{"separator first", V4, false, "\x1e4a", ErrEmpty},
		{"two separators", V4, false, "4a\x1e\x1e4b", ErrEmpty},
		{"good, then bad", V4, false, "4a\x1ex", ErrType},
		{"octet-stream", V4, true, "\x04\x01\x02\x03", ErrContent},
		{"not UTF-8", V4, false, "4\xff", ErrUTF8},
		{"a thousand pongs and one", V4, false, "3" + strings.Repeat("\x1e3", limit), ErrTooMany},
		{"a million separators", V4, false, strings.Repeat("\x1e", 1e6), ErrEmpty},

		{"version 3, empty", V3, false, "", ErrEmpty},
		{"version 3, garbage", V3, false, "abc", ErrLength},
		{"version 3, too long", V3, false, "4:4ab", ErrLength},
		{"version 3, longer", V3, false, "5:4ab", ErrLength},
		{"version 3, no length", V3, false, "x:4ab", ErrLength},
		{"version 3, empty length", V3, false, ":4", ErrLength},
		{"version 3, negative", V3, false, "-1:4", ErrLength},
		{"version 3, no colon", V3, false, "14", ErrLength},
		{"version 3, digits alone", V3, false, "1", ErrLength},
		{"version 3, leading zero", V3, false, "01:2", ErrLength},
		{"version 3, zeros", V3, false, "00:", ErrLength},
		{"version 3, absurd", V3, false, "99999999999999999999999:4", ErrLength},
		{"version 3, digits for ever", V3, false, strings.Repeat("9", 1e6) + ":4", ErrLength},
		{"version 3, exponent", V3, false, "1e1:4aaaaaaaaa", ErrLength},
		{"version 3, digit above 9", V3, false, ";:4aaaaaaaaaa", ErrLength},
		{"version 3, length in bytes", V3, false, "3:4é", ErrLength},
		{"version 3, length in runes", V3, false, "2:4😀", ErrLength},
		{"version 3, cut", V3, false, "1:21:", ErrLength},
		{"version 3, bad packet", V3, false, "1:x", ErrType},
		{"version 3, bad base64", V3, false, "4:b4AQ", ErrBase64},
		{"version 3, not UTF-8", V3, false, "2:4\xff", ErrUTF8},
		{"version 3, too many", V3, false, strings.Repeat("1:2", limit+1), ErrTooMany},
		{"version 3, too much of nothing", V3, false, strings.Repeat("0:", limit+1), ErrTooMany},

		{"binary, empty", V3, true, "", ErrEmpty},
		{"binary, text payload", V3, true, "1:2", ErrContent},
		{"binary, mark alone", V3, true, "\x00", ErrLength},
		{"binary, no length", V3, true, "\x00\xff", ErrLength},
		{"binary, no end of length", V3, true, "\x00\x01", ErrLength},
		{"binary, length in ASCII", V3, true, "\x001\xff2", ErrLength},
		{"binary, digit above 9", V3, true, "\x00\x0b\xff4aaaaaaaaaa", ErrLength},
		{"binary, leading zero", V3, true, "\x00\x00\x01\xff2", ErrLength},
		{"binary, too long", V3, true, "\x00\x02\xff2", ErrLength},
		{"binary, absurd", V3, true, "\x01" + strings.Repeat("\x09", 1e6) + "\xff\x04", ErrLength},
		{"binary, no packet", V3, true, "\x00\x00\xff", ErrEmpty},
		{"binary, no frame", V3, true, "\x01\x00\xff", ErrEmpty},
		{"binary, frame of another type", V3, true, "\x01\x01\xff\x02", ErrType},
		{"binary, not UTF-8", V3, true, "\x00\x02\xff4\xff", ErrUTF8},
		{"binary, too many", V3, true, strings.Repeat("\x00\x01\xff2", limit+1), ErrTooMany},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := tt.v.DecodePayload([]byte(tt.in), tt.binary, limit)
			if !errors.Is(err, tt.want) || err != nil && got != nil {
				t.Errorf("DecodePayload(%.20q) = %v, %v, want %v", tt.in, got, err, tt.want)
			}
		})
	}
}

// The limit itself is allowed.
func TestDecodePayloadLimit(t *testing.T) {
	for _, tt := range []struct {
		v      Version
		binary bool
		in     string
	}{
		{V4, false, "3" + strings.Repeat("\x1e3", limit-1)},
		{V3, false, strings.Repeat("1:2", limit)},
		{V3, true, strings.Repeat("\x00\x01\xff2", limit)},
	} {
		if got, err := tt.v.DecodePayload([]byte(tt.in), tt.binary, limit); len(got) != limit || err != nil {
			t.Errorf("DecodePayload(%.20q) = %d packets, %v, want %d", tt.in, len(got), err, limit)
		}
	}
}
