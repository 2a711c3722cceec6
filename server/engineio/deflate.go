package engineio

import (
	"bytes"
	"compress/flate"
	"io"
	"net"
	"sync"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsflate"
)

// permessage-deflate (RFC 7692), without context takeover on either side: no
// client costs memory between messages, and what is sent to many is compressed
// once for all of them.

// negotiation is the answer to the extensions that a client offers.
func negotiation() *wsflate.Extension {
	return &wsflate.Extension{Parameters: wsflate.Parameters{ServerNoContextTakeover: true, ClientNoContextTakeover: true}}
}

// offer answers one of them. What is malformed is declined.
func offer(e *wsflate.Extension, o httphead.Option) (httphead.Option, error) {
	windows := 0
	o.Parameters.ForEach(func(name, _ []byte) bool {
		if string(name) == "client_max_window_bits" { // wsflate looks for other parameters that are there twice
			windows++
		}
		return true
	})
	if windows > 1 {
		return httphead.Option{}, nil
	}
	accept, err := e.Negotiate(o)
	if err != nil {
		return httphead.Option{}, nil //nolint:nilerr // an error would refuse the client
	}
	return accept, nil
}

// The ends of a compressed message: every one has syncEnd, which is not sent
// (RFC 7692, 7.2.1); lastBlock ends the stream for the reader.
const (
	syncEnd   = "\x00\x00\xff\xff"
	lastBlock = "\x01\x00\x00\xff\xff"
)

// ending is what a reader needs at the end of a message.
var ending = []byte(syncEnd + lastBlock)

// rsv1 is the bit of a frame's first byte that says compressed.
const rsv1 = 0x40

var deflaters = sync.Pool{New: func() any {
	w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	return w
}}

// deflated is the bundle for clients that take compressed messages. Those below
// the threshold, and those that would not get smaller, are as they are.
func (b *Bundle) deflated(threshold int) *Bundle {
	b.once.Do(func() {
		b.compressed = b
		var list []Frame
		for i, f := range b.frames {
			if small, ok := f.deflate(threshold); ok {
				if list == nil {
					list = append(list, b.frames...)
				}
				list[i] = small
			}
		}
		if list != nil {
			b.compressed = NewBundle(b.latest, list...)
		}
	})
	return b.compressed
}

// deflate is f compressed, if that is worth it. It is for WebSockets alone: no
// packet is found in it.
func (f Frame) deflate(threshold int) (small Frame, ok bool) {
	packet := f.buf[f.head:]
	if threshold < 0 || len(packet) < threshold {
		return f, false
	}
	buf := bytes.NewBuffer(open(len(packet)))
	w := deflaters.Get().(*flate.Writer)
	defer deflaters.Put(w)
	w.Reset(buf)
	_, _ = w.Write(packet) // memory takes everything
	_ = w.Flush()
	data := bytes.TrimSuffix(buf.Bytes(), []byte(syncEnd))
	if len(data)-maxHead >= len(packet) {
		return f, false
	}
	op := ws.OpCode(f.buf[0] & 0xf)
	small = closed(op, data)
	small.buf[0] |= rsv1
	return small, true
}

// An inflater inflates one message.
type inflater struct {
	in    stream
	flate io.ReadCloser // of in; also a flate.Resetter
	out   []byte
}

var inflaters = sync.Pool{New: func() any {
	z := &inflater{}
	z.flate = flate.NewReader(&z.in)
	return z
}}

// A stream is what an inflater reads, in parts. It reads no byte more than it
// needs.
type stream struct{ net.Buffers }

func (s *stream) ReadByte() (byte, error) {
	for len(s.Buffers) > 0 {
		if first := s.Buffers[0]; len(first) > 0 {
			s.Buffers[0] = first[1:]
			return first[0], nil
		}
		s.Buffers = s.Buffers[1:]
	}
	return 0, io.EOF
}

// left is how many bytes are still to be read.
func (s *stream) left() (n int) {
	for _, part := range s.Buffers {
		n += len(part)
	}
	return n
}

// inflate is the message in the parts, which it changes. A fault is the status
// to close with: what it makes is never longer than limit.
func inflate(parts [][]byte, limit int) (message []byte, fault ws.StatusCode) {
	z := inflaters.Get().(*inflater)
	defer inflaters.Put(z)
	parts = append(parts, ending)
	z.in.Buffers = parts
	defer func() { z.in.Buffers = nil }()
	_ = z.flate.(flate.Resetter).Reset(&z.in, nil) // it has no error
	if len(z.out) <= limit {
		z.out = make([]byte, limit+1)
	}
	n, err := io.ReadFull(z.flate, z.out[:limit+1])
	switch {
	case err == nil:
		return nil, ws.StatusMessageTooBig
	case z.flate.Close() != nil, !z.ended(): // Close tells a cut stream from its end
		return nil, ws.StatusInvalidFramePayloadData
	}
	return bytes.Clone(z.out[:n]), 0
}

// ended reports whether the stream has ended where the message does. One may
// end in a block of its own that says so, and nothing follows but the beginning
// of the empty block that every message has (RFC 7692, 7.2.3.4).
func (z *inflater) ended() bool {
	switch z.in.left() {
	case 0, len(ending):
		return true
	case len(ending) + 1:
		next, _ := z.in.ReadByte() // there is one
		return next == 0
	}
	return false
}
