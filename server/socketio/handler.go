package socketio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// A Handler takes one event of a client. The event is valid during the call
// only; Event.Ack may be called later too.
type Handler func(c Conn, e *Event)

var (
	connType    = reflect.TypeFor[Conn]()
	contextType = reflect.TypeFor[context.Context]()
)

// NewHandler makes a Handler of a function:
//
//	func(c Conn, e *Event)                        // a Handler is one already
//	func(c Conn, args ...) results...             // as in go-socket.io
//	func(ctx context.Context, c Conn, args ...) results...
//
// Each argument is decoded by encoding/json from the one that the client sent
// in its place, binary values into []byte. One that the client left out is
// zero, and what is left over is ignored; a variadic function takes the rest.
// Arguments that do not fit go to OnError, and the function is not called.
//
// If the client asked for an ack and the function has results, they are its
// arguments; an error among them is its text, or null. The context ends when
// the client leaves.
//
// Anything else panics here, so that no event of a client does.
func NewHandler(f any) Handler {
	switch f := f.(type) {
	case Handler:
		if f == nil {
			panic("socketio: the handler is nil")
		}
		return f
	case func(Conn, *Event):
		if f == nil {
			panic("socketio: the handler is nil")
		}
		return f
	}
	v := reflect.ValueOf(f)
	if v.Kind() != reflect.Func || v.IsNil() {
		panic(fmt.Sprintf("socketio: a handler must be a function, not %T", f))
	}
	t := v.Type()
	skip := 0
	if t.NumIn() > 0 && t.In(0) == contextType {
		skip = 1
	}
	if t.NumIn() <= skip || t.In(skip) != connType {
		panic(fmt.Sprintf("socketio: a handler takes a socketio.Conn first, as in func(socketio.Conn, …), not %s", t))
	}
	h, err := newFunction(v, skip+1)
	if err != nil {
		panic("socketio: " + err.Error())
	}
	for i := range t.NumOut() {
		if out := t.Out(i); out.Kind() != reflect.Interface && !decodable(out, nil) {
			panic(fmt.Sprintf("socketio: result %d of %s cannot be encoded as JSON", i+1, t))
		}
	}
	return h.handle
}

// newAckFunction makes a function of the last argument of Conn.Emit.
func newAckFunction(v reflect.Value) (*function, error) {
	if v.IsNil() {
		return nil, errors.New("the function for the ack is nil")
	}
	return newFunction(v, 0)
}

// newFunction is v, whose arguments from the skipped ones on are to be decoded.
func newFunction(v reflect.Value, skip int) (*function, error) {
	t := v.Type()
	h := &function{value: v, context: skip == 2}
	for i := skip; i < t.NumIn(); i++ {
		if !decodable(t.In(i), nil) {
			return nil, fmt.Errorf("argument %d of %s cannot be decoded from JSON", i+1, t)
		}
		h.args = append(h.args, t.In(i))
	}
	if t.IsVariadic() {
		last := len(h.args) - 1
		h.args, h.rest = h.args[:last], h.args[last].Elem()
	}
	return h, nil
}

// decodable reports whether encoding/json can make a value of type t. Types
// that are being looked at are in seen: a type may hold itself.
func decodable(t reflect.Type, seen []reflect.Type) bool {
	if slices.Contains(seen, t) {
		return true
	}
	seen = append(seen, t)
	if reflect.PointerTo(t).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return true
	}
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer, reflect.Uintptr:
		return false
	case reflect.Interface:
		return t.NumMethod() == 0
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return decodable(t.Elem(), seen)
	case reflect.Map:
		return decodable(t.Elem(), seen)
	case reflect.Struct:
		for field := range t.Fields() {
			if field.IsExported() && field.Tag.Get("json") != "-" && !decodable(field.Type, seen) {
				return false
			}
		}
	}
	return true
}

// A function is a handler of the application's own form, or what takes an ack.
type function struct {
	value   reflect.Value
	context bool           // a context comes before the Conn
	args    []reflect.Type // after the Conn
	rest    reflect.Type   // of each that follows; nil for none
}

func (h *function) handle(c Conn, e *Event) {
	first := []reflect.Value{reflect.ValueOf(c)}
	if h.context {
		first = []reflect.Value{reflect.ValueOf(e.conn.done()), first[0]}
	}
	out := h.call(e.conn, e.Name, first, &e.Arguments)
	if len(out) == 0 || !e.WantsAck() {
		return
	}
	results := make([]any, len(out))
	for i, v := range out {
		results[i] = v.Interface()
		if err, ok := results[i].(error); ok {
			results[i] = err.Error()
		}
	}
	e.Ack(results...)
}

// call calls the function with what comes first and the arguments decoded, or
// tells the application that they do not fit.
func (h *function) call(c *conn, what string, first []reflect.Value, a *Arguments) []reflect.Value {
	in := first
	for i := range max(len(h.args), len(a.Args)) {
		t := h.rest
		if i < len(h.args) {
			t = h.args[i]
		}
		if t == nil {
			break
		}
		arg := reflect.New(t)
		if i < len(a.Args) {
			if err := a.decode(i, arg.Interface()); err != nil {
				c.namespace.fail(c, fmt.Errorf("socketio: %s: argument %d: %w", what, i+1, err))
				return nil
			}
		}
		in = append(in, arg.Elem())
	}
	return h.value.Call(in)
}
