package redisnet

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
)

// Limits of a reply beside the size of its bulk strings.
const (
	maxLine     = 4 << 10   // bytes of a status, an error or a length
	maxElements = 16        // of an array; pub/sub has 3
	maxBulk     = 512 << 20 // bytes; what Redis itself allows, proto-max-bulk-len

	// Of a reply that may hold arrays in arrays, as XREAD's does: streams, each with
	// its entries, each with its fields.
	maxDepth  = 5
	maxArray  = 4 << 10  // elements of one array
	maxValues = 64 << 10 // elements of all arrays together
)

// ErrReply is that of an answer that no Redis gives to what is asked here.
var ErrReply = errors.New("what answers does not speak as Redis does")

// replies is a connection that passes replies of RESP 2 on, as they come, and
// ends with an error before one that would take more memory than it may: the
// client above believes every length that it is told. A bulk string over the
// limit is skipped, and an integer put in its place. So is, where arrays in
// arrays are let in, whatever would make the reply as a whole too large: a
// string, or an array with all that is in it.
//
// One goroutine reads.
type replies struct {
	net.Conn

	in      *bufio.Reader
	largest int    // bytes of a bulk string
	passed  int    // bytes of in's buffer that were checked, and are passed on next
	body    int    // bytes of a bulk string after them, which are too
	skip    int    // bytes after them that are not
	instead []byte // what is passed on once those are gone
	fault   error  // what ends it, after all that

	// The reply that is under way.
	depth   int           // of the arrays that are open; 0 between two replies
	open    [maxDepth]int // elements of each that are still to come
	reply   int           // bytes that it may have; 0: it has no arrays in arrays
	taken   int           // bytes that it has, where there is a limit
	values  int           // elements of its arrays, where there is a limit
	dropped int           // values that are still to come and not passed on
}

// limit is conn with limits, or nil for none. reply is of all strings of a
// reply together; 0 is that of a reply without arrays in arrays.
func limit(conn net.Conn, largest, reply int) net.Conn {
	if conn == nil {
		return nil
	}
	return &replies{Conn: conn, in: bufio.NewReaderSize(conn, maxLine), largest: largest, reply: reply}
}

// Read waits for as little as it can: what has come is passed on before it
// waits for more.
func (r *replies) Read(p []byte) (n int, err error) {
	for len(p) > 0 {
		switch {
		case r.passed > 0:
			n, err = r.in.Read(p[:min(len(p), r.passed)])
			r.passed -= n
			return n, err
		case r.body > 0:
			n, err = r.in.Read(p[:min(len(p), r.body)])
			r.body -= n
			return n, err
		case r.skip > 0:
			n, err := r.in.Discard(min(r.skip, max(r.in.Buffered(), 1)))
			if r.skip -= n; err != nil {
				return 0, err
			}
		case len(r.instead) > 0:
			n = copy(p, r.instead)
			r.instead = r.instead[n:]
			return n, nil
		case r.fault != nil:
			return 0, r.fault
		default:
			if err := r.scan(); err != nil {
				return 0, err
			}
		}
	}
	return 0, nil
}

// scan checks what has come, or waits for a line if there is none.
func (r *replies) scan() error {
	come, _ := r.in.Peek(r.in.Buffered()) // no more than there is: no error
	if bytes.IndexByte(come, '\n') < 0 {
		if len(come) == maxLine {
			return fmt.Errorf("%w: a line of more than %d bytes", ErrReply, maxLine)
		}
		_, err := r.in.Peek(len(come) + 1)
		if errors.Is(err, io.EOF) && len(come) > 0 {
			return io.ErrUnexpectedEOF
		}
		return err
	}
	for r.body == 0 {
		end := bytes.IndexByte(come[r.passed:], '\n') + 1
		if end == 0 {
			break
		}
		line := come[r.passed : r.passed+end]
		unwanted := r.dropped > 0
		var follows int
		var over bool
		if follows, over, r.fault = r.check(line); r.fault != nil {
			break
		}
		if unwanted || over {
			r.skip = len(line) + follows
			if !unwanted {
				r.instead = append([]byte{':'}, line[1:]...) // the integer that says how long it was
			}
			break
		}
		r.passed += end
		here := min(follows, len(come)-r.passed)
		r.passed += here
		r.body = follows - here
	}
	return nil
}

// check is how many bytes follow the line, with which each value begins, and
// whether the value is over a limit, or what is wrong with it.
func (r *replies) check(line []byte) (follows int, over bool, err error) {
	r.begin()
	switch line[0] {
	case '+', '-', ':':
		if r.reply > 0 && !r.room(len(line)) {
			return 0, false, fmt.Errorf("%w: lines without end", ErrReply)
		}
		return 0, false, nil
	case '$':
		n, ok := length(line)
		if !ok || n > maxBulk {
			return 0, false, fmt.Errorf("%w: a string of length %q", ErrReply, bytes.TrimSpace(line[1:]))
		}
		if n < 0 {
			return 0, false, nil
		}
		return n + 2, n > r.largest || r.reply > 0 && !r.room(n), nil
	case '*':
		n, ok := length(line)
		if !ok {
			return 0, false, fmt.Errorf("%w: an array of length %q", ErrReply, bytes.TrimSpace(line[1:]))
		}
		over, err = r.array(max(n, 0))
		return 0, over, err
	}
	return 0, false, fmt.Errorf("%w: an answer that begins with %.20q", ErrReply, line)
}

// begin counts a value.
func (r *replies) begin() {
	if r.dropped > 0 {
		r.dropped--
		return
	}
	for r.depth > 0 && r.open[r.depth-1] == 0 {
		r.depth--
	}
	if r.depth > 0 {
		r.open[r.depth-1]--
		return
	}
	r.taken, r.values = 0, 0
}

// room reports whether n more bytes fit into the reply, and counts them then.
func (r *replies) room(n int) bool {
	if r.dropped > 0 {
		return true
	}
	if r.taken+n > r.reply {
		return false
	}
	r.taken += n
	return true
}

// array begins an array, or drops it if it makes the reply too large.
func (r *replies) array(n int) (over bool, err error) {
	if r.dropped > 0 {
		r.dropped += n
		return false, nil
	}
	most, deepest := maxElements, 1
	if r.reply > 0 {
		most, deepest = maxArray, maxDepth
	}
	switch {
	case r.depth == 0 && n > most:
		return false, fmt.Errorf("%w: an array of length %d", ErrReply, n)
	case r.depth == deepest:
		return false, fmt.Errorf("%w: an array within an array", ErrReply)
	case n > most || r.values+n > maxValues && r.reply > 0:
		r.dropped = n
		return true, nil
	}
	r.values += n
	r.open[r.depth] = n
	r.depth++
	return false, nil
}

// length is the number of a line such as "$12", at least -1, which is null.
func length(line []byte) (int, bool) {
	digits, ok := bytes.CutSuffix(line[1:], []byte("\r\n"))
	if string(digits) == "-1" {
		return -1, ok
	}
	n := 0
	for _, d := range digits {
		ok = ok && d >= '0' && d <= '9'
		n = 10*n + int(d-'0')
	}
	return n, ok && len(digits) > 0 && len(digits) <= 9
}
