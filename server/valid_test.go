package server

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzValidJSON: it says what the standard library does.
func FuzzValidJSON(f *testing.F) {
	for _, text := range []string{
		"", " ", "1", "-0.5e+10", "01", "-", "1.", "1e", "+1", ".5", "0x1", "1E5", "1 2", "true", "tru", "truefalse", "null", "nul\x00", "\xef\xbb\xbf1",
		`"a"`, `"a`, `"`, "\"\x1f\"", "\"\x7f\"", "\"eight by\xff\"", `"é"`, "é", `"\u12aF"`, `"\u12g4"`, `"\u12`, `"\ud800"`, `"\x"`, `"\`, `"12345678\"0"`,
		"\"1234567\n\"", "[]", "[ ]", "[1]", "[1,]", "[,1]", "[1 2]", "[1}", "{}", "{]", `{"a":1}`, `{"a":1,}`, `{"a" : [ {} , [] ] }`, `{"a"}`, `{1:2}`,
		`{"a":1 "b":2}`, `{"a":1,"b":{"c":[true,false,null]}}`, "]", "}", ",", "[1],", "\t\r\n [\v]", "[\"a\",\n{\"b\":-1.5}]\n",
		strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
		strings.Repeat(`{"a":[`, 32) + strings.Repeat("]}", 32), strings.Repeat("[", 70) + strings.Repeat("]", 69),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, want := validJSON(data), json.Valid(data) && utf8.Valid(data); got != want {
			t.Errorf("validJSON(%q) = %v, want %v", data, got, want)
		}
	})
}

func BenchmarkValidJSON(b *testing.B) {
	for _, tt := range []struct{ name, text string }{
		{"text", `{"goal":1,"pad":"` + strings.Repeat("x", 108) + `"}`},
		{"numbers", `{"x":[1,2.5,-3e10,100,20000],"y":[10,20,30,40,50],"ok":true,"of":null}`},
		{"objects", `[` + strings.Repeat(`{"name":"Max","age":30},`, 20) + `{}]`},
	} {
		for _, how := range []struct {
			name  string
			valid func([]byte) bool
		}{{"ours", validJSON}, {"std", func(p []byte) bool { return json.Valid(p) && utf8.Valid(p) }}} {
			b.Run(tt.name+"/"+how.name, func(b *testing.B) {
				data := []byte(tt.text)
				b.SetBytes(int64(len(data)))
				for b.Loop() {
					how.valid(data)
				}
			})
		}
	}
}
