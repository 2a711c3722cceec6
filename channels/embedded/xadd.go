package embedded

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/sb-stream/stream-server/channels/embedded/resp"
	"github.com/sb-stream/stream-server/internal/streams"
	"github.com/sb-stream/stream-server/internal/tags"
)

const (
	maxPending   = 512     // XADDs of one client that wait for the same fsync
	pendingBytes = 1 << 20 // and the bytes of them, about
	maxRange     = 1000    // entries that one XRANGE answers
	rangeBytes   = 4 << 20 // and the bytes of them, about
)

// What is wrong with an XADD, in the words of Redis where it has any.
var (
	errXADDArgs = errors.New("ERR wrong number of arguments for 'xadd' command")
	errSyntax   = errors.New("ERR syntax error")
	errBadID    = errors.New("ERR Invalid stream ID specified as stream command argument")
	errNumber   = errors.New("ERR value is not an integer or out of range")
	errEntry    = errors.New("ERR a durable message takes two fields: channel, with its name, and data")
)

// xadd is XADD key [NOMKSTREAM] [MAXLEN|MINID [=|~] threshold [LIMIT n]] id
// channel tag data data. The answer waits until the message is kept, and other
// XADDs of the same client do not wait for it.
func xadd(c *client, args [][]byte) {
	a, err := c.broker.parseXADD(args)
	if err != nil {
		c.settle()
		c.error(err.Error())
		return
	}
	c.broker.submit(a)
	c.pending = append(c.pending, a)
	if c.pendingBytes += len(a.data); len(c.pending) >= maxPending || c.pendingBytes >= pendingBytes {
		c.settle()
	}
}

// settle answers the XADDs that were not answered yet.
func (c *client) settle() {
	for _, a := range c.pending {
		switch err := c.broker.wait(context.Background(), a); { // the broker's end ends it
		case err != nil && strings.HasPrefix(err.Error(), "ERR "):
			c.error(err.Error())
		case err != nil:
			c.error("ERR " + err.Error())
		case a.id.IsZero():
			c.out = resp.AppendNull(c.out, c.version)
		default:
			c.bulk(a.id.String())
		}
	}
	clear(c.pending)
	c.pending, c.pendingBytes = c.pending[:0], 0
}

func (b *Broker) parseXADD(args [][]byte) (*addition, error) {
	if len(args) < 4 {
		return nil, errXADDArgs
	}
	if err := b.isStream(args[0]); err != nil {
		return nil, err
	}
	a := &addition{done: make(chan struct{})}
	args, err := a.options(args[1:])
	switch {
	case err != nil:
		return nil, err
	case len(args) < 3 || len(args)%2 == 0:
		return nil, errXADDArgs
	}
	var ok bool
	if a.want, ok = parseID(string(args[0])); !ok {
		return nil, errBadID
	}
	if a.want.id.IsZero() && !a.want.anyMS && !a.want.anySeq {
		return nil, errZeroID
	}
	data := false
	for field := range slices.Chunk(args[1:], 2) {
		switch string(field[0]) {
		case streams.FieldChannel:
			a.tag = string(field[1])
		case streams.FieldData:
			a.data, data = field[1], true
		}
	}
	if a.tag == "" || !data {
		return nil, errEntry
	}
	if err := tags.Check(a.tag); err != nil {
		return nil, errors.New("ERR " + err.Error())
	}
	return a, nil
}

// isStream says what is wrong with the name of a stream, if anything. All
// partitions are one stream here.
func (b *Broker) isStream(key []byte) error {
	name := b.config.Prefix + "stream"
	rest, ours := bytes.CutPrefix(key, []byte(name))
	if ours && (len(rest) == 0 || bytes.HasPrefix(rest, []byte(":{")) && rest[len(rest)-1] == '}') {
		return nil
	}
	return errors.New("ERR this broker keeps the stream " + name + " alone")
}

// options reads what stands before the id, and returns the rest.
func (a *addition) options(args [][]byte) ([][]byte, error) {
	for len(args) > 0 {
		switch option := strings.ToUpper(string(args[0])); option {
		case "NOMKSTREAM":
			a.must, args = true, args[1:]
		case "MAXLEN", "MINID":
			rest, err := a.threshold(option, args[1:])
			if err != nil {
				return nil, err
			}
			args = rest
		default:
			return args, nil
		}
	}
	return nil, errXADDArgs
}

// threshold reads what follows MAXLEN or MINID. "~" allows Redis to keep some
// more, and LIMIT to take its time, neither of which is needed here.
func (a *addition) threshold(option string, args [][]byte) ([][]byte, error) {
	about := false
	if len(args) > 0 && (string(args[0]) == "~" || string(args[0]) == "=") {
		about, args = string(args[0]) == "~", args[1:]
	}
	if len(args) == 0 {
		return nil, errSyntax
	}
	if option == "MAXLEN" {
		n, err := strconv.Atoi(string(args[0]))
		if err != nil || n < 0 {
			return nil, errNumber
		}
		a.trim = trim{most: n, none: n == 0}
	} else {
		id, ok := rangeID(string(args[0]), 0)
		if !ok {
			return nil, errBadID
		}
		a.trim = trim{from: id}
	}
	args = args[1:]
	if len(args) < 2 || !strings.EqualFold(string(args[0]), "LIMIT") {
		return args, nil
	}
	if n, err := strconv.Atoi(string(args[1])); err != nil || n < 0 {
		return nil, errNumber
	}
	if !about {
		return nil, errors.New("ERR syntax error, LIMIT cannot be used without the special ~ option")
	}
	return args[2:], nil
}

// xlen is XLEN key.
func xlen(c *client, args [][]byte) {
	if c.broker.isStream(args[0]) != nil {
		c.int(0)
		return
	}
	c.int(c.broker.stream.length())
}

// xrange is XRANGE key start end [COUNT n], for people who look what is there:
// it answers with a part of what Redis would, when that is large.
func xrange(c *client, args [][]byte) {
	from, fromOK := rangeEnd(string(args[1]), 0)
	to, toOK := rangeEnd(string(args[2]), streams.Max.Seq)
	limit := maxRange
	if len(args) == 5 {
		n, err := strconv.Atoi(string(args[4]))
		if err != nil || !strings.EqualFold(string(args[3]), "COUNT") {
			c.error(errSyntax.Error())
			return
		}
		limit = min(max(n, 0), maxRange)
	}
	switch {
	case len(args) == 4:
		c.error(errSyntax.Error())
		return
	case !fromOK || !toOK:
		c.error(errBadID.Error())
		return
	}
	var list []record
	if c.broker.isStream(args[0]) == nil {
		list = c.broker.stream.between(from, to, limit)
	}
	for i, bytes := 0, 0; i < len(list); i++ {
		if bytes += list[i].size(); bytes > rangeBytes && i > 0 {
			list = list[:i]
		}
	}
	c.out = resp.AppendArray(c.out, len(list))
	for i := range list {
		c.out = resp.AppendArray(c.out, 2)
		c.bulk(list[i].id.String())
		c.out = resp.AppendArray(c.out, 4)
		c.bulk(streams.FieldChannel)
		c.bulk(list[i].tag)
		c.bulk(streams.FieldData)
		c.bulk(string(list[i].data))
	}
}

// rangeEnd is an end of XRANGE: "-", "+", or an id, whose number may be missing
// and is seq then.
func rangeEnd(text string, seq uint64) (streams.ID, bool) {
	switch text {
	case "-":
		return streams.ID{}, true
	case "+":
		return streams.Max, true
	}
	return rangeID(text, seq)
}
