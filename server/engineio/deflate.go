package engineio

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"strings"
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

// rsv1 is the bit of a frame's first byte that says compressed.
const rsv1 = 0x40

var (
	deflaters = sync.Pool{New: func() any {
		w, _ := flate.NewWriter(nil, flate.BestSpeed) // the level is valid
		return w
	}}
	inflaters = sync.Pool{New: func() any { return flate.NewReader(nil) }}
	inflated  = sync.Pool{New: func() any { return new([]byte) }} // of what is inflated
)

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

// inflate is the message in data. A fault is the status to close with: what it
// makes is never longer than limit.
func inflate(data []byte, limit int) (message []byte, fault ws.StatusCode) {
	r := inflaters.Get().(io.ReadCloser)
	defer inflaters.Put(r)
	in := io.MultiReader(bytes.NewReader(data), strings.NewReader(syncEnd+lastBlock))
	_ = r.(flate.Resetter).Reset(in, nil) // it has no error
	out := inflated.Get().(*[]byte)
	defer inflated.Put(out)
	if len(*out) <= limit {
		*out = make([]byte, limit+1)
	}
	n, err := io.ReadFull(r, (*out)[:limit+1])
	switch {
	case err == nil:
		return nil, ws.StatusMessageTooBig
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF) && r.Close() == nil: // Close tells a cut stream from its end
		return bytes.Clone((*out)[:n]), 0
	default:
		return nil, ws.StatusInvalidFramePayloadData
	}
}
