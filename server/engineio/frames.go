package engineio

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/gobwas/ws"
)

// maxFragments is how many frames one message may have; empty ones count.
const maxFragments = 1024

// A message is one WebSocket message or control frame.
type message struct {
	op   ws.OpCode // 0 for none
	data []byte    // unmasked
}

// frames turns the bytes of a client into messages (RFC 6455), however they are
// cut. What is held grows only with what arrived.
type frames struct {
	partial  *partial // of a message that is not whole yet; nil between messages
	deflates bool     // constant; messages may be compressed
}

// A partial is what there is of a message that is not whole.
type partial struct {
	head    [ws.MaxHeaderSize]byte
	headLen int       // bytes in head, while a header is not whole
	inside  bool      // header is that of a frame whose payload is not whole
	header  ws.Header // of the frame
	got     int       // bytes of its payload so far

	control    []byte    // payload of a control frame so far
	fragments  int       // frames of the message so far
	op         ws.OpCode // of the message
	compressed bool      // it is to be inflated
	held       blocks    // of the message so far
}

// partials are for messages that are being read: most are whole at once, and
// hold one no longer than that takes.
var partials = sync.Pool{New: func() any { return new(partial) }}

// next takes the first message off p, whose bytes it changes, and returns what
// comes after it. No message means that all of p was taken. The data is valid
// until p changes. limit is how many bytes a message may have: lengths are held
// against it when a header is whole. A fault is the status to close with: after it, there is
// nothing more to be read.
func (f *frames) next(p []byte, limit int) (m message, rest []byte, fault ws.StatusCode) {
	if len(p) == 0 {
		return message{}, nil, 0
	}
	if f.partial == nil {
		f.partial = partials.Get().(*partial)
	}
	m, rest, fault = f.partial.next(p, limit, f.deflates)
	if f.partial.idle() {
		partials.Put(f.partial)
		f.partial = nil
	}
	return m, rest, fault
}

// idle reports whether p holds nothing.
func (f *partial) idle() bool { return f.headLen == 0 && !f.inside && f.fragments == 0 }

func (f *partial) next(p []byte, limit int, deflates bool) (m message, rest []byte, fault ws.StatusCode) {
	for {
		if !f.inside {
			if p, fault = f.readHeader(p, limit, deflates); fault != 0 || !f.inside {
				return message{}, nil, fault
			}
		}
		n := min(len(p), int(f.header.Length)-f.got)
		part, after := p[:n], p[n:]
		ws.Cipher(part, f.header.Mask, f.got)
		f.got += n
		p = after
		f.inside = f.got < int(f.header.Length)

		switch {
		case f.header.OpCode.IsControl():
			if data, whole := f.collect(part); whole {
				return message{f.header.OpCode, data}, p, 0
			}
			return message{}, nil, 0
		case !f.inside && f.header.Fin:
			data, fault := f.finish(part, limit)
			return message{f.op, data}, p, fault
		}
		f.held.add(part, limit)
		if f.inside {
			return message{}, nil, 0
		}
	}
}

// collect takes the next part of a control frame and returns it when it is
// whole. What comes in one part is not copied.
func (f *partial) collect(part []byte) (data []byte, whole bool) {
	if f.inside {
		f.control = append(f.control, part...)
		return nil, false
	}
	if f.control != nil {
		part = append(f.control, part...)
		f.control = nil
	}
	return part, true
}

// finish is the message of which part is the end. What comes in one part is
// not copied.
func (f *partial) finish(part []byte, limit int) (data []byte, fault ws.StatusCode) {
	f.fragments = 0
	switch {
	case f.compressed:
		if data, fault = inflate(append(f.held.take(), part), limit); fault != 0 {
			return nil, fault
		}
	case f.held.size > 0:
		data = slices.Concat(append(f.held.take(), part)...)
	default:
		data = part
	}
	if f.op == ws.OpText && !utf8.Valid(data) {
		return nil, ws.StatusInvalidFramePayloadData
	}
	return data, 0
}

// blocks are bytes that came in parts. None is moved when more come.
type blocks struct {
	list [][]byte
	size int // bytes in list
}

// minBlock is the smallest block that is allocated.
const minBlock = 64

// add keeps a copy of p. All that is allocated is at most twice what came, or
// minBlock, and at most most, the bytes that a message may have.
func (b *blocks) add(p []byte, most int) {
	b.size += len(p)
	if n := len(b.list); n > 0 {
		last := b.list[n-1]
		fit := min(len(p), cap(last)-len(last))
		b.list[n-1] = append(last, p[:fit]...)
		p = p[fit:]
	}
	if len(p) > 0 {
		before := b.size - len(p)
		room := 1 << bits.Len(uint(max(len(p), before, minBlock)-1)) // of the sizes that the allocator has
		room = max(len(p), min(room, most-before))
		b.list = append(b.list, append(make([]byte, 0, room), p...))
	}
}

// take returns what is held, and holds nothing.
func (b *blocks) take() [][]byte {
	list := b.list
	*b = blocks{}
	return list
}

// readHeader takes what there is of a header off p. When it is whole, the frame
// is one that may come now.
func (f *partial) readHeader(p []byte, limit int, deflates bool) (rest []byte, fault ws.StatusCode) {
	for f.headLen < f.headSize() {
		n := copy(f.head[f.headLen:f.headSize()], p)
		if n == 0 {
			return nil, 0
		}
		f.headLen += n
		p = p[n:]
	}
	h, state := f.parseHead(), ws.StateServerSide
	if f.fragments > 0 {
		state = state.Set(ws.StateFragmented)
	}
	f.headLen = 0
	first := f.fragments == 0 && !h.OpCode.IsControl()
	compressed := deflates && first && h.Rsv1()
	if compressed {
		h.Rsv = ws.Rsv(false, h.Rsv2(), h.Rsv3())
	}
	switch {
	case h.Length < 0 || ws.CheckHeader(h, state) != nil:
		return nil, ws.StatusProtocolError
	case h.OpCode.IsControl():
	case f.fragments == maxFragments:
		return nil, ws.StatusPolicyViolation
	case h.Length > int64(limit-f.held.size):
		return nil, ws.StatusMessageTooBig
	default:
		if first {
			f.op, f.compressed = h.OpCode, compressed
		}
		f.fragments++
	}
	f.header, f.got, f.inside = h, 0, true
	return p, 0
}

// The second byte of a header.
const (
	maskBit    = 0x80
	lengthBits = 0x7f
	length16   = 126 // a length of 16 bits follows
	length64   = 127 // a length of 64 bits follows
)

// headSize is the size of the header, as far as is known.
func (f *partial) headSize() int {
	if f.headLen < ws.MinHeaderSize {
		return ws.MinHeaderSize
	}
	size := ws.MinHeaderSize
	switch f.head[1] & lengthBits {
	case length16:
		size += 2
	case length64:
		size += 8
	}
	if f.head[1]&maskBit != 0 {
		size += 4
	}
	return size
}

// parseHead is the whole header in head. Its Length is -1 if it is none.
func (f *partial) parseHead() ws.Header {
	h := ws.Header{
		Fin:    f.head[0]&0x80 != 0,
		Rsv:    f.head[0] >> 4 & 0x7,
		OpCode: ws.OpCode(f.head[0] & 0xf),
		Masked: f.head[1]&maskBit != 0,
	}
	rest := f.head[ws.MinHeaderSize:]
	switch n := f.head[1] & lengthBits; n {
	case length16:
		h.Length = int64(binary.BigEndian.Uint16(rest))
		rest = rest[2:]
	case length64:
		n := binary.BigEndian.Uint64(rest)
		if n > math.MaxInt64 {
			n = math.MaxUint64
		}
		h.Length = int64(n)
		rest = rest[8:]
	default:
		h.Length = int64(n)
	}
	if h.Masked {
		copy(h.Mask[:], rest)
	}
	return h
}
