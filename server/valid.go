package server

import (
	"encoding/binary"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// validJSON is what json.Valid and utf8.Valid say of p together, in a fraction
// of the time. Every message that is published is looked at by it.
func validJSON(p []byte) bool {
	const most = 64 // levels that it keeps track of
	var objects uint64
	depth := 0
	for i := skipSpace(p, 0); i < len(p); {
		switch c := p[i]; c {
		case '[', '{':
			if depth == most {
				return json.Valid(p) && utf8.Valid(p)
			}
			depth++
			objects <<= 1
			i = skipSpace(p, i+1)
			if c == '{' {
				objects |= 1
			}
			if i < len(p) && p[i] == c+2 { // the bracket that closes it
				break
			}
			if c == '{' {
				i = skipKey(p, i)
			}
			if i < 0 {
				return false
			}
			continue
		case '"':
			i = skipText(p, i)
		case 't':
			i = skipWord(p, i, "true")
		case 'f':
			i = skipWord(p, i, "false")
		case 'n':
			i = skipWord(p, i, "null")
		default:
			i = skipNumber(p, i)
		}
		if i < 0 {
			return false
		}
		// A value has ended, and with it perhaps those around it.
		for i = skipSpace(p, i); depth > 0 && i < len(p) && p[i] == ']'+'\x20'*byte(objects&1); i = skipSpace(p, i+1) {
			depth--
			objects >>= 1
		}
		if depth == 0 {
			return i == len(p) && utf8.Valid(p)
		}
		if i == len(p) || p[i] != ',' {
			return false
		}
		if i = skipSpace(p, i+1); objects&1 != 0 {
			i = skipKey(p, i)
		}
		if i < 0 {
			return false
		}
	}
	return false
}

// These return where what begins at i ends, or, but for skipSpace, -1 if it is
// not there.

func skipSpace(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r') {
		i++
	}
	return i
}

// skipKey skips the name of a member of an object, and the colon.
func skipKey(p []byte, i int) int {
	if i = skipText(p, i); i < 0 {
		return -1
	}
	if i = skipSpace(p, i); i == len(p) || p[i] != ':' {
		return -1
	}
	return skipSpace(p, i+1)
}

// skipText skips a string, whose UTF-8 is not looked at.
func skipText(p []byte, i int) int {
	if i == len(p) || p[i] != '"' {
		return -1
	}
	for i++; ; i++ {
		for i+8 <= len(p) && isPlain(binary.LittleEndian.Uint64(p[i:])) {
			i += 8
		}
		switch {
		case i >= len(p) || p[i] < ' ':
			return -1
		case p[i] == '"':
			return i + 1
		case p[i] == '\\':
			if i = skipEscape(p, i+1); i < 0 {
				return -1
			}
		}
	}
}

// isPlain reports whether none of eight bytes is a quotation mark, a backslash
// or a control character.
func isPlain(eight uint64) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	quote, slash := eight^'"'*ones, eight^'\\'*ones
	return ((eight-' '*ones)&^eight|(quote-ones)&^quote|(slash-ones)&^slash)&highs == 0
}

// skipEscape returns where the last byte of what follows a backslash is.
func skipEscape(p []byte, i int) int {
	if i == len(p) {
		return -1
	}
	if p[i] != 'u' {
		if strings.IndexByte(`"\/bfnrt`, p[i]) < 0 {
			return -1
		}
		return i
	}
	if i+4 >= len(p) {
		return -1
	}
	for _, c := range p[i+1 : i+5] {
		if c|0x20 < 'a' && (c < '0' || c > '9') || c|0x20 > 'f' {
			return -1
		}
	}
	return i + 4
}

func skipWord(p []byte, i int, word string) int {
	if len(p)-i < len(word) || string(p[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipNumber(p []byte, i int) int {
	if p[i] == '-' {
		i++
	}
	if i < len(p) && p[i] == '0' {
		i++
	} else if i = skipDigits(p, i); i < 0 {
		return -1
	}
	if i < len(p) && p[i] == '.' {
		if i = skipDigits(p, i+1); i < 0 {
			return -1
		}
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		if i++; i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		i = skipDigits(p, i)
	}
	return i
}

// skipDigits skips one digit or more.
func skipDigits(p []byte, i int) int {
	from := i
	for i < len(p) && '0' <= p[i] && p[i] <= '9' {
		i++
	}
	if i == from {
		return -1
	}
	return i
}
