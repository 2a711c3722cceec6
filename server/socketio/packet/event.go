package packet

import "encoding/json"

// Event is the name and the arguments of an event that Decode returned. A name
// that is a number is its text. The arguments alias Data. An event without a
// payload has no name: ErrPayload.
func (p Packet) Event() (name string, args []json.RawMessage, err error) {
	if name, err = p.name(); err != nil {
		return "", nil, err
	}
	if args, err = p.values(); err != nil {
		return "", nil, err
	}
	return name, args[1:], nil
}

// Args are the values of an ack that Decode returned. They alias Data. An ack
// without a payload has none.
func (p Packet) Args() ([]json.RawMessage, error) {
	if len(p.Data) == 0 {
		return nil, nil
	}
	return p.values()
}

// name is the first element, a string or a number (PROTOCOL.md 5.1).
func (p Packet) name() (string, error) {
	e, ok := elementsOf(p.Data)
	if !ok {
		return "", ErrPayload
	}
	first, ok := e.next()
	switch {
	case !ok:
		return "", ErrPayload
	case first[0] == '"':
		return unquote(first)
	case first[0] == '-' || isDigit(first[0]):
		return string(first), nil
	default:
		return "", ErrPayload
	}
}

// values are the elements of the array. They are counted before they are kept:
// a value may be one byte on the wire, and is 24 in the list.
func (p Packet) values() ([]json.RawMessage, error) {
	e, ok := elementsOf(p.Data)
	if !ok {
		return nil, ErrPayload
	}
	count := 0
	for rest := e; ; count++ {
		if _, ok := rest.next(); !ok {
			break
		}
		if count == MaxArgs {
			return nil, ErrArgs
		}
	}
	list := make([]json.RawMessage, count)
	for i := range list {
		list[i], _ = e.next()
	}
	return list, nil
}

// unquote decodes a JSON string.
func unquote(quoted []byte) (string, error) {
	if len(quoted) >= 2 && plain(quoted[1:len(quoted)-1]) {
		return string(quoted[1 : len(quoted)-1]), nil
	}
	var s string
	if err := json.Unmarshal(quoted, &s); err != nil {
		return "", ErrJSON
	}
	return s, nil
}
