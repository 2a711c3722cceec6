package packet

import (
	"bytes"
	"encoding/json"
	"strings"
)

// AppendJSONP appends the script that answers a JSONP poll (PROTOCOL.md 3.5):
// it calls a function in the client's list, "___eio". J is the query's j, of
// which nothing but the digits is used, because it is the client's and the
// answer is code; none means 0. Payload is text.
func AppendJSONP(dst []byte, list, j string, payload []byte) []byte {
	dst = append(append(dst, list...), '[')
	start := len(dst)
	for i := range len(j) {
		if '0' <= j[i] && j[i] <= '9' {
			dst = append(dst, j[i])
		}
	}
	if len(dst) == start {
		dst = append(dst, '0')
	}
	buf := bytes.NewBuffer(append(dst, "]("...))
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false) // what is left escaped are U+2028 and U+2029
	_ = enc.Encode(string(payload))
	buf.Truncate(buf.Len() - len("\n"))
	return append(buf.Bytes(), ");"...)
}

// DecodeJSONP takes the payload out of the form field d of a JSONP POST, after
// the form was decoded. The client has escaped newlines, because forms change
// them, and the backslash of what looked like such an escape already
// (PROTOCOL.md 3.5).
func DecodeJSONP(d string) []byte {
	out := make([]byte, 0, len(d))
	for {
		i := strings.Index(d, `\n`)
		if i < 0 {
			return append(out, d...)
		}
		if i > 0 && d[i-1] == '\\' {
			out = append(out, d[:i-1]...)
			out = append(out, `\n`...)
		} else {
			out = append(append(out, d[:i]...), '\n')
		}
		d = d[i+len(`\n`):]
	}
}
