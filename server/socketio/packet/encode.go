package packet

import (
	"encoding/binary"
	"encoding/json"
	"unicode/utf16"
	"unicode/utf8"
)

// AppendArray appends the payload of an event: the array of its name and its
// arguments, which are JSON and not checked.
func AppendArray(dst []byte, name string, args ...[]byte) []byte {
	dst = appendString(append(dst, '['), name)
	for _, arg := range args {
		dst = append(append(dst, ','), arg...)
	}
	return append(dst, ']')
}

// AppendList appends the payload of an ack: the array of its arguments, which
// are JSON and not checked.
func AppendList(dst []byte, args ...[]byte) []byte {
	dst = append(dst, '[')
	for i, arg := range args {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, arg...)
	}
	return append(dst, ']')
}

// appendString appends s as a JSON string.
func appendString(dst []byte, s string) []byte {
	if plain(s) && utf8.ValidString(s) {
		return append(append(append(dst, '"'), s...), '"')
	}
	quoted, _ := json.Marshal(s) // a string has no error
	return append(dst, quoted...)
}

// plain reports whether s stands in a JSON string as it is, if it is UTF-8.
func plain[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] == '"' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// AppendASCII appends JSON with every character beyond ASCII escaped, which
// all three dialects of the Engine.IO 3 clients read alike (PROTOCOL.md 3.4).
// What is not UTF-8 becomes \ufffd.
func AppendASCII(dst, json []byte) []byte {
	for {
		n := asciiPrefix(json)
		dst = append(dst, json[:n]...)
		if json = json[n:]; len(json) == 0 {
			return dst
		}
		r, size := utf8.DecodeRune(json)
		if high, low := utf16.EncodeRune(r); high != utf8.RuneError {
			dst = appendEscape(appendEscape(dst, high), low)
		} else {
			dst = appendEscape(dst, r)
		}
		json = json[size:]
	}
}

func appendEscape(dst []byte, unit rune) []byte {
	const hex = "0123456789abcdef"
	return append(dst, '\\', 'u', hex[unit>>12], hex[unit>>8&15], hex[unit>>4&15], hex[unit&15])
}

// IsASCII reports whether AppendASCII would change nothing.
func IsASCII(p []byte) bool { return asciiPrefix(p) == len(p) }

// asciiPrefix is how many bytes p starts with that are ASCII.
func asciiPrefix(p []byte) int {
	const high = 0x8080808080808080
	i := 0
	for i+8 <= len(p) && binary.LittleEndian.Uint64(p[i:])&high == 0 {
		i += 8
	}
	for i < len(p) && p[i] < utf8.RuneSelf {
		i++
	}
	return i
}
