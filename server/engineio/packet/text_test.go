package packet

import "testing"

func TestUTF16Len(t *testing.T) {
	for in, want := range map[string]int{
		"":                   0,
		"hello":              5,
		"hello, long hello":  17,
		"é":                  1,
		"世界":                 2,
		"😀":                  2,
		"\u2028":             1,
		"12345678é12345678😀": 19,
		`42["echo","hé 😀"]`:  18,
	} {
		if got := UTF16Len([]byte(in)); got != want {
			t.Errorf("UTF16Len(%q) = %d, want %d", in, got, want)
		}
	}
}

// The dialects of PROTOCOL.md 3.4.
func TestDecodeTwice(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"ASCII", `42["echo","x"]`, `42["echo","x"]`},
		{"1.x", "42[\"echo\",\"\xc3\x83\xc2\xa9\xc3\xb0\xc2\x9f\xc2\x98\xc2\x80\"]", `42["echo","é😀"]`},
		{"2.x", "42[\"echo\",\"\xc3\xa9\xf0\x9f\x98\x80\"]", `42["echo","é😀"]`},
		{"2.x, below U+0100 alone", "café", "café"},
		{"2.x, one above", "Ã©世", "Ã©世"},
		{"2.x, U+0100", "Ã©Ā", "Ã©Ā"},
		{"typed on purpose, the known price", "Ã©", "é"},
		{"not UTF-8", "\xc3\x83\xc2\xa9\xff", "\xc3\x83\xc2\xa9\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(DecodeTwice([]byte(tt.in))); got != tt.want {
				t.Errorf("DecodeTwice(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

// PROTOCOL.md 3.5, as captured, and what may not become code.
func TestAppendJSONP(t *testing.T) {
	for _, tt := range []struct{ name, j, in, want string }{
		{"connect", "0", "2:40", `___eio[0]("2:40");`},
		{"handshake", "12", `118:0{"sid":"x"}`, `___eio[12]("118:0{\"sid\":\"x\"}");`},
		{"escapes", "0", "26:42[\"echo-back\",\"a\\nb \u2028 <\"]", `___eio[0]("26:42[\"echo-back\",\"a\\nb \u2028 <\"]");`},
		{"separators of lines", "0", "\u2028\u2029\r\n\t", `___eio[0]("\u2028\u2029\r\n\t");`},
		{"version 4", "1", "4a\x1e4b", `___eio[1]("4a\u001e4b");`},
		{"code for a number", "0;alert(document.domain)//", "1", `___eio[0]("1");`},
		{"exponent", "1e999", "1", `___eio[1999]("1");`},
		{"negative", "-1", "1", `___eio[1]("1");`},
		{"no number", "x", "1", `___eio[0]("1");`},
		{"other digits", "٣", "1", `___eio[0]("1");`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(AppendJSONP([]byte("x"), "___eio", tt.j, []byte(tt.in))); got != "x"+tt.want {
				t.Errorf("AppendJSONP(%q, %q) = %s, want %s", tt.j, tt.in, got, "x"+tt.want)
			}
		})
	}
}

func TestDecodeJSONP(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"captured", `21:42["echo","a\\nb ` + "\u2028" + ` <"]`, `21:42["echo","a\nb ` + "\u2028" + ` <"]`},
		{"newline", `a\nb`, "a\nb"},
		{"newlines", `\n\n`, "\n\n"},
		{"backslash n", `a\\nb`, `a\nb`},
		{"backslash n first", `\\nb`, `\nb`},
		{"backslash, backslash n", `a\\\nb`, `a\\nb`},
		{"other escapes", `\t\\"`, `\t\\"`},
		{"backslash at the end", `a\`, `a\`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := string(DecodeJSONP(tt.in)); got != tt.want {
				t.Errorf("DecodeJSONP(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
	body := DecodeJSONP(`21:42["echo","a\\nb ` + "\u2028" + ` <"]`)
	if _, err := V3.DecodePayload(body, false, limit); err != nil {
		t.Errorf("DecodePayload(%q) = %v, want the captured payload to be one", body, err)
	}
}
