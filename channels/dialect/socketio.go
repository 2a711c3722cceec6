package dialect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// What web servers on Socket.IO publish is msgpack: [uid, packet, options].
//
//	uid      who sends; servers leave out what is their own
//	packet   {type: 2 or 5, nsp: "/", data: [event, argument…]}
//	options  {rooms: […], except: […], flags: {…}}; there is no except before 4.0
//
// It comes on <key>#/#<room># if it is for one room, and else on <key>#/#.
// Binary arguments are binary in it too; what JSON has no word for are dates
// and undefined, in the extensions of notepack.io.

// A fault is why a message cannot be read.
type fault string

func (e fault) Error() string { return "dialect: " + string(e) }

const (
	errUnreadable fault = "it is no msgpack, or ends in the middle"
	errShape      fault = "it is no [uid, {type, data, nsp}, {rooms, except}]"
	errKind       fault = "it is a packet other than an event"
	errNamespace  fault = "it is for a namespace other than /"
	errDeep       fault = "it is nested too deeply"
	errLarge      fault = "as JSON it is larger than a message may be"
	errMany       fault = "it is for too many rooms, or has too many binary arguments"
)

// Limits of one message, beside its bytes.
const (
	maxDepth       = 512
	maxRooms       = 1000
	maxAttachments = 10 // as Socket.IO's own parser
)

// Types of packets.
const (
	typeEvent       = 2
	typeBinaryEvent = 5
)

// read reads a message.
func (s *Set) read(data []byte) (Message, error) {
	rest := bytes.NewReader(data)
	r := reader{Decoder: msgpack.NewDecoder(rest), input: data, rest: rest, most: s.most}
	m, err := r.message()
	if err == nil && rest.Len() > 0 {
		err = errShape
	}
	if known := fault(""); err != nil && !errors.As(err, &known) {
		err = fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return m, err
}

// A reader makes JSON of msgpack. It takes no memory for what a length says,
// before so much has come.
type reader struct {
	*msgpack.Decoder

	input       []byte
	rest        *bytes.Reader // of input; the Decoder reads from it without a buffer
	most        int           // bytes of JSON, and of attachments
	attachments [][]byte
	attached    int // bytes of them
}

func (r *reader) message() (m Message, err error) {
	if n, err := r.DecodeArrayLen(); err != nil || n < 2 || n > 3 {
		return m, cmp.Or[error](err, errShape)
	} else if _, err := r.string(); err != nil {
		return m, cmp.Or[error](err, errShape)
	} else if err := r.packet(&m); err != nil || n == 2 {
		return m, err
	}
	return m, r.each(func(key string) error {
		switch key {
		case "rooms":
			m.Rooms, err = r.names()
		case "except":
			m.Except, err = r.names()
		default:
			err = r.skip()
		}
		return err
	})
}

// packet reads the packet.
func (r *reader) packet(m *Message) error {
	kind, namespace := -1, "/"
	err := r.each(func(key string) (err error) {
		switch key {
		case "type":
			kind, err = r.DecodeInt()
		case "nsp":
			namespace, err = r.string()
		case "data":
			err = r.data(m)
		default:
			err = r.skip()
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case namespace != "/":
		return errNamespace
	case kind != typeEvent && kind != typeBinaryEvent:
		return errKind
	case m.Event == "":
		return errShape
	}
	return nil
}

// data reads the event and its arguments.
func (r *reader) data(m *Message) error {
	n, err := r.DecodeArrayLen()
	if err != nil || n < 1 {
		return cmp.Or[error](err, errShape)
	}
	if m.Event, err = r.text(); err != nil {
		return err
	}
	m.Data, m.More, r.attachments, r.attached = nil, nil, nil, 0 // it may be there twice
	var size int
	for i := range n - 1 {
		arg, err := r.value(nil, 0)
		if err != nil {
			return err
		}
		if size += len(arg); size+r.attached > r.most {
			return errLarge
		}
		if i == 0 {
			m.Data = arg
		} else {
			m.More = append(m.More, arg)
		}
	}
	m.Attachments = r.attachments
	return nil
}

// each calls f for each key of an object; f reads its value. No object at all
// is an empty one.
func (r *reader) each(f func(key string) error) error {
	n, err := r.DecodeMapLen()
	if err != nil {
		return cmp.Or[error](err, errShape)
	}
	for range n {
		key, err := r.string()
		if err != nil {
			return err
		}
		if err := f(key); err != nil {
			return err
		}
	}
	return nil
}

// names reads a list of rooms.
func (r *reader) names() ([]string, error) {
	n, err := r.DecodeArrayLen()
	if err != nil {
		return nil, err
	}
	if n > maxRooms {
		return nil, errMany
	}
	list := make([]string, 0, max(0, min(n, r.rest.Len())))
	for range n {
		name, err := r.text()
		if err != nil {
			return nil, err
		}
		list = append(list, name)
	}
	return list, nil
}
