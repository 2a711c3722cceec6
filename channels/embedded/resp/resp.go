// Package resp reads the commands of Redis clients and writes the answers, in
// RESP, the protocol of Redis, versions 2 and 3.
//
// A [Reader] takes commands off a stream under [Limits], so that nothing is
// allocated because a client says that it will send it. The Append functions
// add one answer to a buffer. The package opens no connection and keeps no
// state but the reader's place in the stream.
//
// The specification is redis.io/docs/latest/develop/reference/protocol-spec.
package resp

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Limits of one command.
type Limits struct {
	Args  int // the name included
	Bulk  int // bytes of one argument
	Total int // bytes of all arguments
	Line  int // bytes of a length or of an inline command
}

// What is wrong with a stream that holds no command. It cannot be read any
// further.
var (
	ErrArgs    = errors.New("resp: invalid multibulk length")
	ErrBulk    = errors.New("resp: invalid bulk length")
	ErrTotal   = errors.New("resp: command too large")
	ErrLine    = errors.New("resp: line too long")
	ErrSyntax  = errors.New("resp: expected '$'")
	ErrQuotes  = errors.New("resp: unbalanced quotes")
	ErrForeign = errors.New("resp: this is HTTP")
)

// A Reader reads commands. It is used by one goroutine.
type Reader struct {
	r      *bufio.Reader
	limits Limits
}

// NewReader reads from r.
func NewReader(r io.Reader, limits Limits) *Reader {
	return &Reader{r: bufio.NewReader(r), limits: limits}
}

// Limit changes the limits, from the next command on.
func (r *Reader) Limit(limits Limits) { r.limits = limits }

// Wait returns when there is something to read, or an error.
func (r *Reader) Wait() error {
	_, err := r.r.Peek(1)
	return err
}

// Pending reports whether more has come than was read: then answers may wait.
func (r *Reader) Pending() bool { return r.r.Buffered() > 0 }

// Command reads the next command: its name and its arguments, which are the
// caller's to keep. An empty line is a command without a name. Errors that are
// not of this package are the stream's.
func (r *Reader) Command() ([][]byte, error) {
	line, err := r.line()
	if err != nil {
		return nil, err
	}
	if len(line) == 0 || line[0] != '*' {
		return r.inline(line)
	}
	n, ok := length(line[1:], r.limits.Args)
	if !ok {
		return nil, ErrArgs
	}
	args := make([][]byte, 0, min(n, 16))
	total := 0
	for range n {
		arg, err := r.bulk(r.limits.Total - total)
		if err != nil {
			return nil, err
		}
		total += len(arg)
		args = append(args, arg)
	}
	return args, nil
}

// bulk reads one argument.
func (r *Reader) bulk(left int) ([]byte, error) {
	line, err := r.line()
	if err != nil {
		return nil, unexpected(err)
	}
	if len(line) == 0 || line[0] != '$' {
		return nil, ErrSyntax
	}
	n, ok := length(line[1:], r.limits.Bulk)
	switch {
	case !ok:
		return nil, ErrBulk
	case n > left:
		return nil, ErrTotal
	}
	arg, err := r.take(n)
	if err != nil {
		return nil, err
	}
	var end [2]byte
	if _, err := io.ReadFull(r.r, end[:]); err != nil {
		return nil, unexpected(err)
	}
	if end != [2]byte{'\r', '\n'} {
		return nil, ErrBulk
	}
	return arg, nil
}

// firstPart is how much is allocated of an argument before any of it has come.
const firstPart = 4 << 10

// take reads n bytes. What is allocated grows with what comes, not with what was
// announced.
func (r *Reader) take(n int) ([]byte, error) {
	arg := make([]byte, 0, min(n, firstPart))
	for len(arg) < n {
		arg = slices.Grow(arg, min(n-len(arg), max(len(arg), firstPart)))
		part := arg[len(arg):min(cap(arg), n)]
		if _, err := io.ReadFull(r.r, part); err != nil {
			return nil, unexpected(err)
		}
		arg = arg[:len(arg)+len(part)]
	}
	return arg, nil
}

// line reads up to a line feed, which is dropped with the return before it.
func (r *Reader) line() ([]byte, error) {
	var long []byte
	for {
		part, err := r.r.ReadSlice('\n')
		if len(long)+len(part) > r.limits.Line {
			return nil, ErrLine
		}
		if err == nil && long == nil {
			return trim(part), nil
		}
		long = append(long, part...)
		if err == nil {
			return trim(long), nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(long) > 0 {
				err = unexpected(err)
			}
			return nil, err
		}
	}
}

func trim(line []byte) []byte {
	line = line[:len(line)-1]
	return bytes.TrimSuffix(line, []byte("\r"))
}

// unexpected is the error of a stream that ends within a command.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// length reads a number of at most limit.
func length(p []byte, limit int) (int, bool) {
	n, err := strconv.ParseUint(string(p[:min(len(p), 20)]), 10, 63)
	return int(min(n, math.MaxInt)), err == nil && n <= uint64(limit)
}

// inline is a command as a person types it. A browser that is made to talk to
// this port sends lines too, and must not be answered (as Redis does not).
func (r *Reader) inline(line []byte) ([][]byte, error) {
	text := string(line)
	if isHTTP(text) {
		return nil, ErrForeign
	}
	var args [][]byte
	for text = strings.TrimLeft(text, " \t"); text != ""; text = strings.TrimLeft(text, " \t") {
		var arg string
		if quote := text[0]; quote == '"' || quote == '\'' {
			end := strings.IndexByte(text[1:], quote)
			if end < 0 {
				return nil, ErrQuotes
			}
			arg, text = text[1:1+end], text[2+end:]
		} else {
			end := strings.IndexAny(text, " \t")
			if end < 0 {
				end = len(text)
			}
			arg, text = text[:end], text[end:]
		}
		if len(args) == r.limits.Args {
			return nil, ErrArgs
		}
		args = append(args, []byte(arg))
	}
	return args, nil
}

// isHTTP reports whether a line is one of a browser's request.
func isHTTP(line string) bool {
	const host, version = "host:", " http/1."
	if strings.EqualFold(line[:min(len(line), len(host))], host) {
		return true
	}
	for i := range len(line) - len(version) + 1 {
		if strings.EqualFold(line[i:i+len(version)], version) {
			return true
		}
	}
	return false
}
