package packet

import (
	"encoding/json"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func version(v3 bool) Version {
	if v3 {
		return V3
	}
	return V4
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "4hello", "2probe", "bAQIDBA==", "b4AQIDBA==", "7", "4hé 😀", "b4AR=="} {
		f.Add(true, []byte(s))
		f.Add(false, []byte(s))
	}
	f.Fuzz(func(t *testing.T, v3 bool, in []byte) {
		v := version(v3)
		if p, err := v.DecodeText(in); err == nil {
			if out := v.AppendText(nil, p); string(out) != string(in) {
				t.Errorf("AppendText(DecodeText(%q)) = %q", in, out)
			}
		}
		if p, err := v.DecodeBinary(in); err == nil {
			if out := v.AppendBinary(nil, p); string(out) != string(in) {
				t.Errorf("AppendBinary(DecodeBinary(%q)) = %q", in, out)
			}
		}
	})
}

func FuzzPayload(f *testing.F) {
	for _, s := range []string{
		"", "abc", "4a\x1e4b", "0:", "4:4ab", "1:20:1:2", mixedV4, mixedText, unhex(mixedBinary),
		`18:42["echo","hé 😀"]`, "99999999999999999999:4", strings.Repeat("3\x1e", 1000) + "3", strings.Repeat("1:2", 1000),
	} {
		f.Add(true, false, []byte(s))
		f.Add(true, true, []byte(s))
		f.Add(false, false, []byte(s))
	}
	f.Fuzz(func(t *testing.T, v3, binary bool, in []byte) {
		v := version(v3)
		var list []Packet
		var err error
		used := allocated(func() { list, err = v.DecodePayload(in, binary, limit) })
		// A packet is 32 bytes, and 2 on the wire at least.
		if most := 10*len(in) + 16<<10; used > most {
			t.Errorf("DecodePayload(%d bytes) allocated %d bytes, want at most %d", len(in), used, most)
		}
		if err != nil {
			return
		}
		var encoded []Encoded
		for _, p := range list {
			if p.Binary {
				encoded = append(encoded, Encoded{Binary: true, Data: p.Data})
			} else {
				encoded = append(encoded, Encoded{Data: v.AppendText(nil, p)})
			}
		}
		out, isBinary := v.AppendPayload(nil, encoded, !binary)
		if v == V4 && string(out) != string(in) {
			t.Errorf("AppendPayload(DecodePayload(%q)) = %q", in, out)
		}
		back, err := v.DecodePayload(out, isBinary, limit)
		if err != nil || !slices.EqualFunc(back, list, equal) {
			t.Errorf("DecodePayload(%q) = %v, and of what that encodes to, %q, %v, %v", in, list, out, back, err)
		}
	})
}

// allocated is how many bytes f allocates.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// FuzzUnits holds both ways of counting against the standard library's.
func FuzzUnits(f *testing.F) {
	for _, s := range []string{"", "hello", "hé 😀", "12345678é", "世界\u2028"} {
		f.Add(s, "x")
		f.Add("4", s)
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if !utf8.ValidString(a) || !utf8.ValidString(b) {
			return
		}
		if got, want := UTF16Len([]byte(a)), len(utf16.Encode([]rune(a))); got != want {
			t.Errorf("UTF16Len(%q) = %d, want %d", a, got, want)
		}
		list := texts("4"+a, "4"+b)
		payload, _ := V3.AppendPayload(nil, list, true)
		got, err := V3.DecodePayload(payload, false, 2)
		if err != nil || !slices.EqualFunc(got, list, isEncoded(V3)) {
			t.Errorf("DecodePayload(%q) = %v, %v, want %v", payload, got, err, list)
		}
	})
}

// FuzzDecodeTwice encodes text as a 1.x client does.
func FuzzDecodeTwice(f *testing.F) {
	for _, s := range []string{"", "hello", "é😀", "Ã©", "12345678é", "café"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := DecodeTwice([]byte(s)); utf8.ValidString(s) && !utf8.Valid(got) || len(got) > len(s) {
			t.Errorf("DecodeTwice(%q) = %q", s, got)
		}
		if !utf8.ValidString(s) {
			return
		}
		var twice []rune
		for i := range len(s) {
			twice = append(twice, rune(s[i]))
		}
		if got := string(DecodeTwice([]byte(string(twice)))); got != s {
			t.Errorf("DecodeTwice(%q) = %q, want %q", string(twice), got, s)
		}
	})
}

// FuzzJSONP escapes what a client would, and reads the script as one would.
func FuzzJSONP(f *testing.F) {
	for _, s := range []string{"", "2:40", `a\nb`, `a\\nb`, "a\nb", "\u2028</script>", "4a\x1e4b"} {
		f.Add("0", s)
	}
	f.Add("0;alert(1)//", "x")
	escape := strings.NewReplacer(`\n`, `\\n`, "\n", `\n`)
	f.Fuzz(func(t *testing.T, j, s string) {
		if !strings.Contains(s, "\\\n") { // which JSON never has
			if got := string(DecodeJSONP(escape.Replace(s))); got != s {
				t.Errorf("DecodeJSONP(%q) = %q, want %q", escape.Replace(s), got, s)
			}
		}
		if !utf8.ValidString(s) {
			return
		}
		script := string(AppendJSONP(nil, "___eio", j, []byte(s)))
		rest, ok := strings.CutPrefix(script, "___eio[")
		rest = strings.TrimLeft(rest, "0123456789")
		rest, ok2 := strings.CutPrefix(rest, "](")
		rest, ok3 := strings.CutSuffix(rest, ");")
		var back string
		if err := json.Unmarshal([]byte(rest), &back); !ok || !ok2 || !ok3 || err != nil || back != s {
			t.Errorf("AppendJSONP(%q, %q) = %s, read as %q", j, s, script, back)
		}
		if strings.ContainsAny(script, "\u2028\u2029\n\r") {
			t.Errorf("AppendJSONP(%q, %q) = %q, which ends lines", j, s, script)
		}
	})
}
