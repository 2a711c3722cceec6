package engineio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// A compressor is what gzip and zlib have in common.
type compressor interface {
	io.WriteCloser
	Reset(w io.Writer)
}

// A coding is a way to compress the answer to a poll. Writers are pooled,
// because one takes far more memory than a session does. None waits for a
// client: they write to memory.
type coding struct {
	name    string
	writers sync.Pool // of compressor
}

// The codings, the preferred one first. What HTTP calls deflate is zlib (RFC
// 9110, 8.4.1.2). Speed is worth more here than the last percent.
var codings = [...]*coding{
	{name: "gzip", writers: sync.Pool{New: func() any {
		w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is valid
		return w
	}}},
	{name: "deflate", writers: sync.Pool{New: func() any {
		w, _ := zlib.NewWriterLevel(nil, zlib.BestSpeed)
		return w
	}}},
}

// compressed is the body of an answer, compressed into buf if it is long and
// the client takes that (PROTOCOL.md 2.5), and it gets shorter. What somebody
// around this handler has said to be compressed is left alone.
func (s *Server) compressed(h http.Header, c *coding, body []byte, buf *bytes.Buffer) []byte {
	threshold := s.opts.CompressThreshold
	if threshold < 0 || len(body) < threshold || h.Get("Content-Encoding") != "" {
		return body
	}
	h.Add("Vary", "Accept-Encoding")
	if c == nil {
		return body
	}
	c.compress(buf, body)
	if buf.Len() >= len(body) {
		return body
	}
	h.Set("Content-Encoding", c.name)
	return buf.Bytes()
}

func (c *coding) compress(buf *bytes.Buffer, body []byte) {
	w := c.writers.Get().(compressor)
	defer c.writers.Put(w)
	w.Reset(buf)
	_, _ = w.Write(body) // memory takes everything
	_ = w.Close()
}

// codingFor is the coding that a client likes best (RFC 9110, 12.5.3), or nil
// if it takes none.
func codingFor(h http.Header) (best *coding) {
	accepted := h.Values("Accept-Encoding")
	if len(accepted) == 0 {
		return nil
	}
	list := strings.Join(accepted, ",")
	most := 0.0
	for _, c := range codings {
		if q := quality(list, c.name); q > most {
			best, most = c, q
		}
	}
	return best
}

// quality is how much a client likes a coding, from 0 to 1.
func quality(list, name string) float64 {
	rest := 0.0 // of what is not named
	for item := range strings.SplitSeq(list, ",") {
		item, parameter, _ := strings.Cut(item, ";")
		item = strings.TrimSpace(item)
		if item != "*" && !strings.EqualFold(item, name) {
			continue
		}
		q := 1.0
		if key, value, ok := strings.Cut(parameter, "="); ok && strings.EqualFold(strings.TrimSpace(key), "q") {
			q, _ = strconv.ParseFloat(strings.TrimSpace(value), 64) // what is no number is 0
		}
		if item != "*" {
			return q
		}
		rest = q
	}
	return rest
}
