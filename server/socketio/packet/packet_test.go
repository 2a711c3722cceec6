package packet

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func equal(a, b Packet) bool {
	return a.Type == b.Type && a.Namespace == b.Namespace && a.ID == b.ID &&
		a.Attachments == b.Attachments && bytes.Equal(a.Data, b.Data)
}

func nested(depth int) string {
	return `["a",` + strings.Repeat("[", depth-1) + strings.Repeat("]", depth)
}

// Every packet that PROTOCOL.md chapters 2 to 5 show, without the Engine.IO
// type 4. What decodes encodes to the same text, or to canonical.
func TestDecode(t *testing.T) {
	const data = `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`
	for _, tt := range []struct {
		in        string
		want      Packet
		canonical string
	}{
		{"0", Packet{Connect, "/", NoID, 0, nil}, ""},
		{`0{"token":"123"}`, Packet{Connect, "/", NoID, 0, []byte(`{"token":"123"}`)}, ""},
		{`0{"sid":"1QxcPk-eJbu-p63oAAAX"}`, Packet{Connect, "/", NoID, 0, []byte(`{"sid":"1QxcPk-eJbu-p63oAAAX"}`)}, ""},
		{"0/custom,", Packet{Connect, "/custom", NoID, 0, nil}, ""},
		{"0/custom", Packet{Connect, "/custom", NoID, 0, nil}, "0/custom,"},
		{"0/,", Packet{Connect, "/", NoID, 0, nil}, "0"},
		{`0/custom,{"sid":"M2TARuQp2dmnjwCoAAAY"}`, Packet{Connect, "/custom", NoID, 0, []byte(`{"sid":"M2TARuQp2dmnjwCoAAAY"}`)}, ""},
		{`0/guarded,{"token":"bad"}`, Packet{Connect, "/guarded", NoID, 0, []byte(`{"token":"bad"}`)}, ""},
		{"0/dyn-3?token=abc&x=1,", Packet{Connect, "/dyn-3?token=abc&x=1", NoID, 0, nil}, ""},
		{"0/__proto__,", Packet{Connect, "/__proto__", NoID, 0, nil}, ""},
		{"0/*,", Packet{Connect, "/*", NoID, 0, nil}, ""},
		{"0/zimmer/é,", Packet{Connect, "/zimmer/é", NoID, 0, nil}, ""},
		{`0{"pid":"UBQyL2WTJ0YNI2R-AAAB","offset":"Q86L8ar"}`, Packet{Connect, "/", NoID, 0, []byte(`{"pid":"UBQyL2WTJ0YNI2R-AAAB","offset":"Q86L8ar"}`)}, ""},

		{"1", Packet{Disconnect, "/", NoID, 0, nil}, ""},
		{"1/custom,", Packet{Disconnect, "/custom", NoID, 0, nil}, ""},

		{`2["echo","after"]`, Packet{Event, "/", NoID, 0, []byte(`["echo","after"]`)}, ""},
		{`20["echo","x"]`, Packet{Event, "/", 0, 0, []byte(`["echo","x"]`)}, ""},
		{`2["echo","hé 😀"]`, Packet{Event, "/", NoID, 0, []byte(`["echo","hé 😀"]`)}, ""},
		{`2/custom,5["echo",1,"é"]`, Packet{Event, "/custom", 5, 0, []byte(`["echo",1,"é"]`)}, ""},
		{`2/custom,0["please-ack","v"]`, Packet{Event, "/custom", 0, 0, []byte(`["please-ack","v"]`)}, ""},
		{`2["tick",1,"Q86L8ar"]`, Packet{Event, "/", NoID, 0, []byte(`["tick",1,"Q86L8ar"]`)}, ""},
		{`2[1,"x"]`, Packet{Event, "/", NoID, 0, []byte(`[1,"x"]`)}, ""},
		{`2["error","x"]`, Packet{Event, "/", NoID, 0, []byte(`["error","x"]`)}, ""},
		{`2["__proto__","x"]`, Packet{Event, "/", NoID, 0, []byte(`["__proto__","x"]`)}, ""},
		{`2["a","\ud800"]`, Packet{Event, "/", NoID, 0, []byte(`["a","\ud800"]`)}, ""},
		{`2 [ "a" ] `, Packet{Event, "/", NoID, 0, []byte(` [ "a" ] `)}, ""},
		{`2007["a"]`, Packet{Event, "/", 7, 0, []byte(`["a"]`)}, `27["a"]`},
		{`29007199254740991["a"]`, Packet{Event, "/", MaxID, 0, []byte(`["a"]`)}, ""},
		{"2", Packet{Event, "/", NoID, 0, nil}, ""},
		{`2["a","` + strings.Repeat("[", MaxNesting) + `"]`, Packet{Event, "/", NoID, 0, []byte(`["a","` + strings.Repeat("[", MaxNesting) + `"]`)}, ""},
		{"2" + nested(MaxNesting), Packet{Event, "/", NoID, 0, []byte(nested(MaxNesting))}, ""},
		{`2["a",{"_placeholder":true,"num":9}]`, Packet{Event, "/", NoID, 0, []byte(`["a",{"_placeholder":true,"num":9}]`)}, ""},

		{`30["x"]`, Packet{Ack, "/", 0, 0, []byte(`["x"]`)}, ""},
		{`3/custom,5[1,"é"]`, Packet{Ack, "/custom", 5, 0, []byte(`[1,"é"]`)}, ""},
		{`3/custom,0["r1",2]`, Packet{Ack, "/custom", 0, 0, []byte(`["r1",2]`)}, ""},
		{"317[]", Packet{Ack, "/", 17, 0, []byte("[]")}, ""},
		{"31", Packet{Ack, "/", 1, 0, nil}, ""},
		{`3999999["x"]`, Packet{Ack, "/", 999999, 0, []byte(`["x"]`)}, ""},

		{`4/nope,{"message":"Invalid namespace"}`, Packet{ConnectError, "/nope", NoID, 0, []byte(`{"message":"Invalid namespace"}`)}, ""},
		{`4/nope,"Invalid namespace"`, Packet{ConnectError, "/nope", NoID, 0, []byte(`"Invalid namespace"`)}, ""},
		{`4/custom?a=b,{"message":"Invalid namespace"}`, Packet{ConnectError, "/custom?a=b", NoID, 0, []byte(`{"message":"Invalid namespace"}`)}, ""},
		{`4/guarded,{"message":"not authorized","data":{"code":"E1","retry":false}}`, Packet{ConnectError, "/guarded", NoID, 0, []byte(`{"message":"not authorized","data":{"code":"E1","retry":false}}`)}, ""},
		{`4/g,"no way"`, Packet{ConnectError, "/g", NoID, 0, []byte(`"no way"`)}, ""},
		{"417", Packet{ConnectError, "/", NoID, 0, []byte("17")}, ""},

		{`51-["b",{"_placeholder":true,"num":0}]`, Packet{BinaryEvent, "/", NoID, 1, []byte(`["b",{"_placeholder":true,"num":0}]`)}, ""},
		{`52-["bin",{"x":{"_placeholder":true,"num":0},"y":["z",{"_placeholder":true,"num":1}]}]`, Packet{BinaryEvent, "/", NoID, 2, []byte(`["bin",{"x":{"_placeholder":true,"num":0},"y":["z",{"_placeholder":true,"num":1}]}]`)}, ""},
		{`52-8["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, Packet{BinaryEvent, "/", 8, 2, []byte(`["echo",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`)}, ""},
		{`51-/custom,8["a",{"num":0,"_placeholder":true}]`, Packet{BinaryEvent, "/custom", 8, 1, []byte(`["a",{"num":0,"_placeholder":true}]`)}, ""},
		{`51-["bin",{"_placeholder":true,"num":0},"Q86L8bL.2"]`, Packet{BinaryEvent, "/", NoID, 1, []byte(`["bin",{"_placeholder":true,"num":0},"Q86L8bL.2"]`)}, ""},
		{`50-["a"]`, Packet{BinaryEvent, "/", NoID, 0, []byte(`["a"]`)}, ""},
		{`510-["a"]`, Packet{BinaryEvent, "/", NoID, 10, []byte(`["a"]`)}, ""},
		{"62-8" + data, Packet{BinaryAck, "/", 8, 2, []byte(data)}, ""},
	} {
		t.Run(tt.in, func(t *testing.T) {
			got, err := Decode([]byte(tt.in))
			if err != nil || !equal(got, tt.want) {
				t.Fatalf("Decode(%q) = %+v, %v, want %+v", tt.in, got, err, tt.want)
			}
			if tt.canonical == "" {
				tt.canonical = tt.in
			}
			if out := got.Append([]byte("x")); string(out) != "x"+tt.canonical {
				t.Errorf("Append(%+v) = %q, want %q", got, out, "x"+tt.canonical)
			}
		})
	}
}

func TestDecodeRejects(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"", ErrEmpty},
		{"abc", ErrType},
		{"7", ErrType},
		{"7[]", ErrType},
		{"/", ErrType},
		{"2[\"\xff\"]", ErrUTF8},

		{"0[]", ErrPayload},
		{"0null", ErrPayload},
		{`0"x"`, ErrPayload},
		{"07", ErrPayload},
		{"0{", ErrJSON},
		{"0/a\x00b,", ErrNamespace},
		{"0/a\x1eb,", ErrNamespace},
		{"0/a\x7f", ErrNamespace},
		{"1/admin,{}", ErrPayload},
		{"1[]", ErrPayload},

		{"2{}", ErrPayload},
		{`2/admin,"invalid`, ErrJSON},
		{`2/admin,"invalid"`, ErrPayload},
		{`2abc["x"]`, ErrJSON},
		{`2["x"`, ErrJSON},
		{`2["some","data"`, ErrJSON},
		{`2["a"]]`, ErrJSON},
		{`2["a",NaN]`, ErrJSON},
		{`2["a` + "\x1e" + `b"]`, ErrJSON},
		{`2["a` + "\x00" + `b"]`, ErrJSON},
		{"2 ", ErrJSON},
		{"2[]", ErrPayload},
		{"2[null,\"bar\"]", ErrPayload},
		{"2[true]", ErrPayload},
		{"2[[]]", ErrPayload},
		{`2[{"toString":"foo"}]`, ErrPayload},
		{`2-1["a"]`, ErrJSON},
		{`218446744073709551616["a"]`, ErrID},
		{`29007199254740992["a"]`, ErrID},
		{"2" + strings.Repeat("9", 400), ErrID},
		{`2["connect"]`, ErrReserved},
		{`2["connect_error"]`, ErrReserved},
		{`2["disconnect"]`, ErrReserved},
		{`2["disconnecting"]`, ErrReserved},
		{`2["newListener"]`, ErrReserved},
		{`2["removeListener"]`, ErrReserved},
		{`2["\u0063onnect"]`, ErrReserved},
		{`50-["connect"]`, ErrReserved},
		{"2" + nested(MaxNesting+1), ErrNesting},
		{`2["]]",` + strings.Repeat("[", MaxNesting) + strings.Repeat("]", MaxNesting+1), ErrNesting},
		{`2["a",` + strings.Repeat("[", 450_000) + "]", ErrNesting},
		{`2["a",` + strings.Repeat(`{"a":`, 100_000) + "]", ErrNesting},

		{`3["x"]`, ErrID},
		{"3", ErrID},
		{"31{}", ErrPayload},
		{`60-["x"]`, ErrID},
		{"4nope", ErrJSON},

		{"5-[]", ErrAttachments},
		{"5", ErrAttachments},
		{"51", ErrAttachments},
		{`5["a"]`, ErrAttachments},
		{"5a-", ErrAttachments},
		{`51e9-["a"]`, ErrAttachments},
		{`511-["a"]`, ErrAttachments},
		{`518446744073709551617-["a"]`, ErrAttachments},
		{"5" + strings.Repeat("1", 900_000) + "-[]", ErrAttachments},
		{"51-", ErrPayload},
		{"61-1", ErrPayload},
		{"51-{}", ErrPayload},
		{`50-["a",{"_placeholder":true,"num":0}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true,"num":"splice"}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true,"num":1}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true,"num":-1}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true,"num":1e300}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true,"num":null}]`, ErrPlaceholder},
		{`51-["hello",{"_placeholder":true}]`, ErrPlaceholder},
		{`61-8[{"_placeholder":true,"num":1}]`, ErrPlaceholder},
	} {
		t.Run(tt.in[:min(len(tt.in), 60)], func(t *testing.T) {
			if got, err := Decode([]byte(tt.in)); !errors.Is(err, tt.want) || !equal(got, Packet{}) {
				t.Errorf("Decode(%.60q) = %+v, %v, want %v", tt.in, got, err, tt.want)
			}
		})
	}
}

// The JSON of a packet is where it came in.
func TestDecodeAliases(t *testing.T) {
	in := []byte(`2["a","b"]`)
	p, err := Decode(in)
	if err != nil {
		t.Fatal(err)
	}
	_, args, err := p.Event()
	if err != nil {
		t.Fatal(err)
	}
	in[7] = 'c'
	if string(p.Data) != `["a","c"]` || string(args[0]) != `"c"` {
		t.Errorf("Data = %s, args = %s, want aliases", p.Data, args)
	}
	if args[0] = append(args[0], '!'); string(in) != `2["a","c"]` {
		t.Errorf("appending to an argument made the packet %s", in)
	}
}

func TestAppendLeavesOut(t *testing.T) {
	for _, tt := range []struct {
		p    Packet
		want string
	}{
		{Packet{Type: Connect}, "0"}, // the zero ID is no id of a CONNECT
		{Packet{Type: Connect, Namespace: "/"}, "0"},
		{Packet{Type: Disconnect, Namespace: "/custom", Attachments: 3}, "1/custom,"},
		{Packet{Type: Event, ID: NoID, Data: []byte(`["a"]`)}, `2["a"]`},
	} {
		if got := string(tt.p.Append(nil)); got != tt.want {
			t.Errorf("Append(%+v) = %q, want %q", tt.p, got, tt.want)
		}
	}
}

func TestSplitNamespace(t *testing.T) {
	for _, tt := range []struct{ in, name, query string }{
		{"/", "/", ""},
		{"/dyn-3?token=abc&x=1", "/dyn-3", "token=abc&x=1"},
		{"/a?b?c", "/a", "b?c"},
		{"/?", "/", ""},
	} {
		if name, query := SplitNamespace(tt.in); name != tt.name || query != tt.query {
			t.Errorf("SplitNamespace(%q) = %q, %q, want %q, %q", tt.in, name, query, tt.name, tt.query)
		}
	}
}

// The names of PROTOCOL.md 5.5.
func TestReserved(t *testing.T) {
	for name, want := range map[string]struct{ server, v4 bool }{
		"connect":           {true, true},
		"connect_error":     {true, true},
		"disconnect":        {true, true},
		"disconnecting":     {true, false},
		"newListener":       {true, false},
		"removeListener":    {true, false},
		"connect_timeout":   {false, true},
		"connecting":        {false, true},
		"error":             {false, true},
		"reconnect":         {false, true},
		"reconnect_attempt": {false, true},
		"reconnecting":      {false, true},
		"ping":              {false, true},
		"pong":              {false, true},
		"message":           {false, false},
		"":                  {false, false},
		"Connect":           {false, false},
	} {
		if got := Reserved(name); got != want.server {
			t.Errorf("Reserved(%q) = %v, want %v", name, got, want.server)
		}
		if got := ReservedV4Client(name); got != want.v4 {
			t.Errorf("ReservedV4Client(%q) = %v, want %v", name, got, want.v4)
		}
	}
}

func TestTypeString(t *testing.T) {
	for typ, want := range map[Type]string{
		Connect: "CONNECT", Disconnect: "DISCONNECT", Event: "EVENT", Ack: "ACK", ConnectError: "CONNECT_ERROR",
		BinaryEvent: "BINARY_EVENT", BinaryAck: "BINARY_ACK", 7: "UNKNOWN",
	} {
		if got := typ.String(); got != want {
			t.Errorf("Type(%d).String() = %q, want %q", typ, got, want)
		}
	}
}
