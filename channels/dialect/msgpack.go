package dialect

import (
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// text reads a name: a string, or a number that somebody has used as one.
func (r *reader) text() (string, error) {
	code, err := r.PeekCode()
	if err != nil {
		return "", err
	}
	if msgpcode.IsFixedNum(code) || code >= msgpcode.Uint8 && code <= msgpcode.Int64 {
		n, err := r.value(nil, 0)
		return string(n), err
	}
	return r.string()
}

// string reads a string.
func (r *reader) string() (string, error) {
	b, err := r.bytes()
	return strings.ToValidUTF8(string(b), "\uFFFD"), err
}

// bytes reads a string, or a binary value. It is a part of input.
func (r *reader) bytes() ([]byte, error) {
	n, err := r.DecodeBytesLen()
	if err != nil {
		return nil, err
	}
	return r.take(n)
}

// take reads n bytes.
func (r *reader) take(n int) ([]byte, error) {
	if n < 0 || n > r.rest.Len() {
		return nil, io.ErrUnexpectedEOF
	}
	at := len(r.input) - r.rest.Len()
	_, err := r.rest.Seek(int64(n), io.SeekCurrent)
	return r.input[at : at+n], err
}

// skip reads a value that nobody needs.
func (r *reader) skip() error {
	attachments, attached := r.attachments, r.attached
	_, err := r.value(nil, 0)
	r.attachments, r.attached = attachments, attached
	return err
}

// value appends a value as JSON.
func (r *reader) value(dst []byte, depth int) ([]byte, error) {
	switch {
	case depth > maxDepth:
		return nil, errDeep
	case len(dst)+r.attached > r.most:
		return nil, errLarge
	}
	code, err := r.PeekCode()
	if err != nil {
		return nil, err
	}
	switch {
	case code == msgpcode.Nil:
		return append(dst, "null"...), r.DecodeNil()
	case code == msgpcode.False, code == msgpcode.True:
		b, err := r.DecodeBool()
		return strconv.AppendBool(dst, b), err
	case code == msgpcode.Uint64:
		n, err := r.DecodeUint64()
		return strconv.AppendUint(dst, n, 10), err
	case code == msgpcode.Float, code == msgpcode.Double:
		return r.float(dst)
	case msgpcode.IsFixedNum(code), code >= msgpcode.Uint8 && code <= msgpcode.Int64:
		n, err := r.DecodeInt64()
		return strconv.AppendInt(dst, n, 10), err
	case msgpcode.IsString(code):
		text, err := r.string()
		return appendString(dst, text), err
	case msgpcode.IsBin(code):
		return r.binary(dst)
	case msgpcode.IsFixedArray(code), code == msgpcode.Array16, code == msgpcode.Array32:
		return r.array(dst, depth)
	case msgpcode.IsFixedMap(code), code == msgpcode.Map16, code == msgpcode.Map32:
		return r.object(dst, depth)
	case msgpcode.IsExt(code):
		return r.extension(dst)
	}
	return nil, errShape
}

// float appends a number; those that JSON does not have are null, as
// JavaScript's own JSON has it.
func (r *reader) float(dst []byte) ([]byte, error) {
	f, err := r.DecodeFloat64()
	if err != nil {
		return nil, err
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...), nil
	}
	text, err := json.Marshal(f)
	return append(dst, text...), err
}

// binary appends a placeholder.
func (r *reader) binary(dst []byte) ([]byte, error) {
	data, err := r.bytes()
	if err != nil {
		return nil, err
	}
	if len(r.attachments) == maxAttachments {
		return nil, errMany
	}
	dst = append(dst, `{"_placeholder":true,"num":`...)
	dst = strconv.AppendInt(dst, int64(len(r.attachments)), 10)
	r.attachments = append(r.attachments, data)
	r.attached += len(data)*4/3 + 4 // as base64
	return append(dst, '}'), nil
}

func (r *reader) array(dst []byte, depth int) ([]byte, error) {
	n, err := r.DecodeArrayLen()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '[')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = r.value(dst, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func (r *reader) object(dst []byte, depth int) ([]byte, error) {
	n, err := r.DecodeMapLen()
	if err != nil {
		return nil, err
	}
	dst = append(dst, '{')
	for i := range n {
		if i > 0 {
			dst = append(dst, ',')
		}
		key, err := r.text()
		if err != nil {
			return nil, err
		}
		dst = append(appendString(dst, key), ':')
		if dst, err = r.value(dst, depth+1); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

// Extensions of notepack.io.
const (
	extOld  = 0  // before 3.0: one byte is undefined, eight are a date
	extTime = -1 // msgpack's own timestamps
)

// extension appends a date as JavaScript's JSON has it. Any other extension
// is null, which undefined is in a list.
func (r *reader) extension(dst []byte) ([]byte, error) {
	id, size, err := r.DecodeExtHeader()
	if err != nil {
		return nil, err
	}
	data, err := r.take(size)
	if err != nil {
		return nil, err
	}
	at, ok := date(id, data)
	if !ok {
		return append(dst, "null"...), nil
	}
	return append(dst, at.UTC().Format(`"2006-01-02T15:04:05.000Z"`)...), nil
}

func appendString(dst []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		panic("dialect: " + err.Error()) // strings always encode
	}
	return append(dst, quoted...)
}

// date is the time that an extension says.
func date(id int8, data []byte) (at time.Time, ok bool) {
	number := func(b []byte) (n uint64) {
		for _, c := range b {
			n = n<<8 | uint64(c)
		}
		return n
	}
	switch {
	case id == extOld && len(data) == 8:
		return time.UnixMilli(int64(number(data))), true
	case id == extTime && len(data) == 4:
		return time.Unix(int64(number(data)), 0), true
	case id == extTime && len(data) == 8:
		n := number(data)
		return time.Unix(int64(n&(1<<34-1)), int64(n>>34)), true
	case id == extTime && len(data) == 12:
		return time.Unix(int64(number(data[4:])), int64(number(data[:4]))), true
	}
	return time.Time{}, false
}
