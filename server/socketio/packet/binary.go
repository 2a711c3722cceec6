package packet

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
)

// Binary is bytes that Deconstruct makes an attachment, wherever they are in
// an argument. Encoded by encoding/json alone they are not meaningful. Both
// Binary and []byte decode from what Reconstruct returns.
type Binary []byte

// MarshalJSON is a placeholder that holds the bytes in the place of their
// number. Deconstruct looks for it.
func (b Binary) MarshalJSON() ([]byte, error) {
	dst := base64.StdEncoding.AppendEncode([]byte(`{"_placeholder":true,"num":"`), b)
	return append(dst, `"}`...), nil
}

// Deconstruct encodes arguments as a JSON array with a placeholder for each
// binary value, and returns the binary values in the order of their numbers,
// MaxAttachments at most. Binary values are [Binary] anywhere, and []byte that
// is an argument itself or is in lists of any or of []byte, or in maps from
// string to those. A []byte in a struct is a base64 string, as encoding/json
// has it.
func Deconstruct(args ...any) (data []byte, attachments [][]byte, err error) {
	if args == nil {
		args = []any{} // an array too, and not null
	}
	data, err = json.Marshal(markList(args, 0))
	if err != nil {
		return nil, nil, fmt.Errorf("packet: arguments: %w", err)
	}
	foreign := false // there are placeholders that are not ours
	data, err = rewrite(data, func(num []byte) ([]byte, error) {
		if len(num) == 0 || num[0] != '"' {
			foreign = true
			return nil, nil
		}
		var b []byte
		if err := json.Unmarshal(num, &b); err != nil {
			return nil, ErrPlaceholder
		}
		attachments = append(attachments, b)
		with := strconv.AppendInt([]byte(`{"_placeholder":true,"num":`), int64(len(attachments)-1), 10)
		return append(with, '}'), nil
	})
	switch {
	case err != nil:
		return nil, nil, err
	case foreign && len(attachments) > 0: // the receiver would fill them too
		return nil, nil, ErrPlaceholder
	case len(attachments) > MaxAttachments:
		return nil, nil, ErrAttachments
	}
	return data, attachments, nil
}

// mark makes Binary of the []byte in v, as deep as a packet may be nested:
// what is deeper may be a cycle, which encoding/json then reports.
func mark(v any, depth int) any {
	if depth > MaxNesting {
		return v
	}
	switch v := v.(type) {
	case []byte:
		return Binary(v)
	case [][]byte:
		return markList(v, depth)
	case []any:
		return markList(v, depth)
	case map[string][]byte:
		return markMap(v, depth)
	case map[string]any:
		return markMap(v, depth)
	default:
		return v
	}
}

func markList[T any](list []T, depth int) []any {
	if list == nil {
		return nil
	}
	marked := make([]any, len(list))
	for i, v := range list {
		marked[i] = mark(v, depth+1)
	}
	return marked
}

func markMap[T any](m map[string]T, depth int) map[string]any {
	if m == nil {
		return nil
	}
	marked := make(map[string]any, len(m))
	for key, v := range m {
		marked[key] = mark(v, depth+1)
	}
	return marked
}

// Placeholders checks that each placeholder in JSON names one of n
// attachments, and that no two name the same (PROTOCOL.md 5.1). Of a packet
// that Decode returned it is true.
func Placeholders(data []byte, n int) error {
	_, err := Reconstruct(data, make([][]byte, n))
	return err
}

// Reconstruct replaces each placeholder in JSON by its attachment, as a base64
// string, from which []byte and Binary decode.
//
// It uses an attachment once: nobody sends two placeholders for one, and a
// thousand for a large one would be a flood.
func Reconstruct(data []byte, attachments [][]byte) ([]byte, error) {
	if err := checkJSON(data); err != nil {
		return nil, err
	}
	return reconstruct(data, attachments)
}

func reconstruct(data []byte, attachments [][]byte) ([]byte, error) {
	used := make([]bool, len(attachments))
	return rewrite(data, func(num []byte) ([]byte, error) {
		i, rest, ok := number(num, int64(len(attachments))-1)
		if !ok || len(rest) > 0 || used[i] {
			return nil, ErrPlaceholder
		}
		used[i] = true
		with := make([]byte, 0, base64.StdEncoding.EncodedLen(len(attachments[i]))+2)
		with = base64.StdEncoding.AppendEncode(append(with, '"'), attachments[i])
		return append(with, '"'), nil
	})
}

// rewrite copies valid JSON with each placeholder replaced. A placeholder is
// an object whose "_placeholder" is true; replace gets the raw value of its
// "num", empty if there is none, and returns nil to leave it as it is.
func rewrite(data []byte, replace func(num []byte) ([]byte, error)) ([]byte, error) {
	type object struct {
		start       int // in out
		placeholder bool
		num         []byte
	}
	var open []object // innermost last
	out := make([]byte, 0, len(data))
	for i := 0; i < len(data); {
		end := i + 1
		if data[i] == '"' {
			end = stringEnd(data, i)
		}
		out = append(out, data[i:end]...)
		switch data[i] {
		case '{':
			open = append(open, object{start: len(out) - 1})
		case '"':
			colon := space(data, end)
			if colon == len(data) || data[colon] != ':' {
				break // a value and not a key
			}
			value := data[space(data, colon+1):]
			switch key, _ := unquote(data[i:end]); key {
			case "_placeholder":
				open[len(open)-1].placeholder = value[0] == 't'
			case "num":
				open[len(open)-1].num = scalar(value)
			}
		case '}':
			last := open[len(open)-1]
			open = open[:len(open)-1]
			if !last.placeholder {
				break
			}
			with, err := replace(last.num)
			if err != nil {
				return nil, err
			}
			if with != nil {
				out = append(out[:last.start], with...)
			}
		}
		i = end
	}
	return out, nil
}

// scalar is the value that p starts with, or nothing if it is an array or an
// object: no number, and stepping over each level of them would take long.
func scalar(p []byte) []byte {
	if p[0] == '[' || p[0] == '{' {
		return nil
	}
	return p[:valueEnd(p, 0)]
}
