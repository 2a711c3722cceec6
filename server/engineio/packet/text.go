package packet

import (
	"encoding/binary"
	"unicode/utf8"
)

// UTF16Len is the length of UTF-8 text in UTF-16 code units, JavaScript's
// string.length, which version 3 counts in (PROTOCOL.md 3.2).
func UTF16Len(p []byte) int {
	n := asciiPrefix(p)
	for _, b := range p[n:] {
		if b&0xc0 != 0x80 { // not a continuation
			n++
		}
		if b >= 0xf0 { // a surrogate pair
			n++
		}
	}
	return n
}

// utf16Prefix is how many bytes of p, which is UTF-8, hold that many units. It
// is not ok if p is shorter or a surrogate pair would be cut.
func utf16Prefix(p []byte, units int) (n int, ok bool) {
	if units > len(p) {
		return 0, false
	}
	n = asciiPrefix(p[:units])
	units -= n
	for units > 0 && n < len(p) {
		switch b := p[n]; {
		case b < 0x80:
			n++
		case b < 0xe0:
			n += 2
		case b < 0xf0:
			n += 3
		default:
			n += 4
			units--
		}
		units--
	}
	return n, units == 0
}

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

// DecodeTwice decodes text once more if it looks like text that a 1.x client
// has encoded twice (PROTOCOL.md 3.4): it has a character in U+0080..U+00FF,
// none above, and its characters taken as bytes are UTF-8. All other text is
// returned as it is. The lengths of a payload count the text before this.
func DecodeTwice(text []byte) []byte {
	start := asciiPrefix(text)
	if start == len(text) {
		return text
	}
	out := make([]byte, start, len(text))
	copy(out, text)
	for i := start; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r > 0xff { // utf8.RuneError too
			return text
		}
		out = append(out, byte(r))
		i += size
	}
	if !utf8.Valid(out) {
		return text
	}
	return out
}
