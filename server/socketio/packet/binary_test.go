package packet

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestDeconstruct(t *testing.T) {
	cycle := map[string]any{}
	cycle["x"] = cycle
	deep := any([]byte("x"))
	for range MaxNesting - 2 { // the arguments and the placeholder are two more
		deep = []any{deep}
	}
	type picture struct {
		Name string `json:"name"`
		Data Binary `json:"data"`
		Hash []byte `json:"hash"`
	}
	for _, tt := range []struct {
		name string
		args []any
		want string
		bin  []string
	}{
		{"nothing", nil, "[]", nil},
		{"no binary", []any{"a", 1, nil, map[string]any(nil), []any(nil)}, `["a",1,null,null,null]`, nil},
		{"argument", []any{"b", []byte{1, 2, 3, 4}}, `["b",{"_placeholder":true,"num":0}]`, []string{"\x01\x02\x03\x04"}},
		{
			"PROTOCOL.md 5.3",
			[]any{"bin", map[string]any{"x": []byte{1, 2}, "y": []any{"z", []byte{0xff}}}},
			`["bin",{"x":{"_placeholder":true,"num":0},"y":["z",{"_placeholder":true,"num":1}]}]`,
			[]string{"\x01\x02", "\xff"},
		},
		{
			"lists and maps of bytes",
			[]any{[][]byte{{1}, {}}, map[string][]byte{"x": nil}},
			`[[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}],{"x":{"_placeholder":true,"num":2}}]`,
			[]string{"\x01", "", ""},
		},
		{
			"struct",
			[]any{"p", &picture{"a<b", Binary("xyz"), []byte("h")}, []Binary{Binary("1")}},
			`["p",{"name":"a\u003cb","data":{"_placeholder":true,"num":0},"hash":"aA=="},[{"_placeholder":true,"num":1}]]`,
			[]string{"xyz", "1"},
		},
		{"as deep as may be", []any{deep}, strings.Repeat("[", MaxNesting-1) + `{"_placeholder":true,"num":0}` + strings.Repeat("]", MaxNesting-1), []string{"x"}},
		{"JSON that looks like it", []any{json.RawMessage(`{"_placeholder":true,"num":0}`)}, `[{"_placeholder":true,"num":0}]`, nil},
		{"JSON that does not", []any{json.RawMessage(`{"_placeholder":false,"num":0}`), []byte("x")}, `[{"_placeholder":false,"num":0},{"_placeholder":true,"num":0}]`, []string{"x"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, attachments, err := Deconstruct(tt.args...)
			same := func(a []byte, b string) bool { return string(a) == b }
			if string(data) != tt.want || !slices.EqualFunc(attachments, tt.bin, same) || err != nil {
				t.Errorf("Deconstruct = %s, %q, %v, want %s, %q", data, attachments, err, tt.want, tt.bin)
			}
		})
	}
	for _, tt := range []struct {
		name string
		args []any
		want error
	}{
		{"foreign placeholder", []any{json.RawMessage(`{"_placeholder":true,"num":0}`), []byte("x")}, ErrPlaceholder},
		{"foreign placeholder without number", []any{json.RawMessage(`{"_placeholder":true}`), []byte("x")}, ErrPlaceholder},
		{"foreign placeholder with text", []any{json.RawMessage(`{"_placeholder":true,"num":"splice!"}`)}, ErrPlaceholder},
		{"too many", slices.Repeat([]any{[]byte("x")}, MaxAttachments+1), ErrAttachments},
		{"a cycle", []any{cycle}, nil},
		{"no JSON", []any{func() {}}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			data, attachments, err := Deconstruct(tt.args...)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || data != nil || attachments != nil {
				t.Errorf("Deconstruct = %s, %q, %v, want %v", data, attachments, err, tt.want)
			}
		})
	}
	if _, attachments, err := Deconstruct(slices.Repeat([]any{[]byte("x")}, MaxAttachments)...); len(attachments) != MaxAttachments || err != nil {
		t.Errorf("Deconstruct of %d attachments = %d, %v", MaxAttachments, len(attachments), err)
	}
}

func TestReconstruct(t *testing.T) {
	attachments := [][]byte{{1, 2, 3, 4}, {}}
	for _, tt := range []struct {
		name, in, want string
		err            error
	}{
		{"none", `["a",{"x":"_placeholder"}]`, `["a",{"x":"_placeholder"}]`, nil},
		{"both", `[{"_placeholder":true,"num":0},{"x":{"num":1,"_placeholder":true}}]`, `["AQIDBA==",{"x":""}]`, nil},
		{"alone", `{"_placeholder":true,"num":1}`, `""`, nil},
		{"with more in it", `{ "_placeholder" : true , "a":[{}], "num" : 0 }`, `"AQIDBA=="`, nil},
		{"escaped key", `{"\u005fplaceholder":true,"n\u0075m":0}`, `"AQIDBA=="`, nil},
		{"the last of two keys counts", `{"_placeholder":true,"num":7,"num":0}`, `"AQIDBA=="`, nil},
		{"not true", `[{"_placeholder":1,"num":0},{"_placeholder":"true","num":0},{"_placeholder":[true],"num":7}]`, `[{"_placeholder":1,"num":0},{"_placeholder":"true","num":0},{"_placeholder":[true],"num":7}]`, nil},
		{"keys in an inner object", `{"_placeholder":true,"x":{"num":7},"num":0}`, `"AQIDBA=="`, nil},
		{"values like keys", `["_placeholder",true,"num",7]`, `["_placeholder",true,"num",7]`, nil},

		{"no number", `{"_placeholder":true}`, "", ErrPlaceholder},
		{"out of range", `{"_placeholder":true,"num":2}`, "", ErrPlaceholder},
		{"negative", `{"_placeholder":true,"num":-1}`, "", ErrPlaceholder},
		{"fraction", `{"_placeholder":true,"num":0.0}`, "", ErrPlaceholder},
		{"exponent", `{"_placeholder":true,"num":0e1}`, "", ErrPlaceholder},
		{"large", `{"_placeholder":true,"num":18446744073709551616}`, "", ErrPlaceholder},
		{"null", `{"_placeholder":true,"num":null}`, "", ErrPlaceholder},
		{"method", `{"_placeholder":true,"num":"splice"}`, "", ErrPlaceholder},
		{"object", `{"_placeholder":true,"num":{"0":0}}`, "", ErrPlaceholder},
		{"array", `{"_placeholder":true,"num":[0]}`, "", ErrPlaceholder},
		{"twice", `[{"_placeholder":true,"num":0},{"_placeholder":true,"num":0}]`, "", ErrPlaceholder},
		{"no JSON", `{"_placeholder":true,"num":0`, "", ErrJSON},
		{"empty", "", "", ErrJSON},
		{"closed too often", "}", "", ErrJSON},
		{"key without object", `"a":`, "", ErrJSON},
		{"deep", strings.Repeat("[", MaxNesting+1), "", ErrNesting},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Reconstruct([]byte(tt.in), attachments)
			if string(got) != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Reconstruct(%s) = %s, %v, want %s, %v", tt.in, got, err, tt.want, tt.err)
			}
			if err := Placeholders([]byte(tt.in), len(attachments)); !errors.Is(err, tt.err) {
				t.Errorf("Placeholders(%s) = %v, want %v", tt.in, err, tt.err)
			}
		})
	}
}

// What a typed receiver makes of an event with binary values.
func ExampleReconstruct() {
	p, err := Decode([]byte(`51-["picture",{"name":"a.png","data":{"_placeholder":true,"num":0}}]`))
	if err != nil {
		panic(err)
	}
	p.Data, err = Reconstruct(p.Data, [][]byte{[]byte("PNG")})
	if err != nil {
		panic(err)
	}
	_, args, err := p.Event()
	if err != nil {
		panic(err)
	}
	var picture struct {
		Name string
		Data Binary
	}
	if err := json.Unmarshal(args[0], &picture); err != nil {
		panic(err)
	}
	fmt.Println(picture.Name, string(picture.Data))
	// Output: a.png PNG
}

func TestBinaryDecodes(t *testing.T) {
	data, attachments, err := Deconstruct(map[string]any{"a": Binary("one"), "b": []byte("two")})
	if err != nil {
		t.Fatal(err)
	}
	data, err = Reconstruct(data, attachments)
	if err != nil {
		t.Fatal(err)
	}
	var got []struct {
		A Binary
		B []byte
	}
	if err := json.Unmarshal(data, &got); err != nil || !bytes.Equal(got[0].A, []byte("one")) || !bytes.Equal(got[0].B, []byte("two")) {
		t.Errorf("Unmarshal(%s) = %q, %v", data, got, err)
	}
}
