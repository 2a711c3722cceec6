package embedded

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/channels/embedded/resp"
)

// Limits of one client.
const (
	loginTimeout   = 10 * time.Second // until AUTH, where there is a password, whatever else is said
	commandTimeout = 15 * time.Second // for a command to come whole, and for an answer to be taken
	maxArgs        = 1024
	maxLine        = 64 << 10
	maxName        = 64 << 10 // bytes of the arguments beside the message
	flushSize      = 16 << 10 // bytes of answers that wait for a pipeline to end
)

// strangers are the limits until AUTH, which are those of Redis: who has not
// said the password takes no memory to speak of.
var strangers = resp.Limits{Args: 10, Bulk: 16 << 10, Total: 32 << 10, Line: 16 << 10}

// A client is one Redis client. Only its own goroutine uses it.
type client struct {
	broker  *Broker
	conn    net.Conn
	reader  *resp.Reader
	out     []byte // answers that were not sent yet
	id      int
	version int // of RESP
	name    string
	known   bool      // it need not say the password, or has
	login   time.Time // until when it may say it
	quit    bool

	pending      []*addition // XADDs that have no answer yet
	pendingBytes int         // of their messages
}

func newClient(b *Broker, conn net.Conn) *client {
	c := &client{
		broker:  b,
		conn:    conn,
		reader:  resp.NewReader(conn, strangers),
		id:      int(b.ids.Add(1)),
		version: 2,
	}
	c.forget()
	return c
}

// forget makes the client a stranger, where there is a password.
func (c *client) forget() {
	c.known, c.login = false, time.Now().Add(loginTimeout)
	c.reader.Limit(strangers)
	if len(c.broker.passwords) == 0 {
		c.trust()
	}
}

// trust lets the client do what there is to do.
func (c *client) trust() {
	largest := c.broker.config.MaxPublish
	c.known = true
	c.reader.Limit(resp.Limits{Args: maxArgs, Bulk: largest, Total: largest + maxName, Line: maxLine})
}

// serve answers commands until the client leaves or breaks the rules.
func (c *client) serve() {
	for !c.quit {
		if !c.reader.Pending() || len(c.out) > flushSize {
			if !c.flush() {
				return
			}
		}
		if !c.wait() {
			return
		}
		args, err := c.reader.Command()
		switch {
		case err != nil:
			c.complain(err)
			return
		case len(args) > 0:
			c.do(args)
		}
	}
	c.flush()
}

// wait returns when a command begins to come, and gives it the time to come
// whole. A client that is known may be silent.
func (c *client) wait() bool {
	limit := c.login
	if c.known {
		limit = time.Time{}
	}
	_ = c.conn.SetReadDeadline(limit)
	if c.broker.released.Load() && !c.reader.Pending() || c.reader.Wait() != nil {
		return false
	}
	if !c.known {
		return true
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(commandTimeout))
	return true
}

func (c *client) flush() bool {
	c.settle()
	if len(c.out) == 0 {
		return true
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(commandTimeout))
	_, err := c.conn.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > 2*flushSize {
		c.out = nil // a long answer was one of a kind
	}
	return err == nil
}

// complain tells a client why its connection ends. A browser is told nothing.
func (c *client) complain(err error) {
	c.settle()
	for _, fault := range []error{
		resp.ErrArgs, resp.ErrBulk, resp.ErrTotal, resp.ErrLine, resp.ErrSyntax, resp.ErrQuotes,
	} {
		if errors.Is(err, fault) {
			c.out = resp.AppendError(c.out, "ERR Protocol error: "+strings.TrimPrefix(err.Error(), "resp: "))
		}
	}
	if errors.Is(err, resp.ErrBulk) || errors.Is(err, resp.ErrTotal) {
		c.broker.refused.Add(1)
	}
	if errors.Is(err, resp.ErrForeign) {
		c.broker.config.Log.Warn("embedded: an HTTP request came to the port for Redis clients")
	}
	c.flush()
}

// do answers one command.
func (c *client) do(args [][]byte) {
	name := strings.ToUpper(string(args[0][:min(len(args[0]), 64)]))
	command, ok := commands[name]
	args = args[1:]
	if name != "XADD" {
		c.settle() // answers stand in the order of the commands
	}
	switch {
	case !c.known && !command.open:
		c.error("NOAUTH Authentication required.")
	case !ok:
		c.error("ERR unknown command '" + printable(name) + "': this broker takes PUBLISH and XADD; --redis has the rest")
	case len(args) < command.least || len(args) > command.most:
		c.error("ERR wrong number of arguments for '" + strings.ToLower(name) + "' command")
	default:
		command.run(c, args)
	}
}

func (c *client) ok()             { c.out = resp.AppendSimple(c.out, "OK") }
func (c *client) error(s string)  { c.out = resp.AppendError(c.out, s) }
func (c *client) int(n int)       { c.out = resp.AppendInt(c.out, n) }
func (c *client) bulk(s string)   { c.out = resp.AppendBulk(c.out, s) }
func (c *client) simple(s string) { c.out = resp.AppendSimple(c.out, s) }

// authenticate compares in constant time, with all passwords whichever is the right
// one. There is one user, named default.
func (c *client) authenticate(user, password []byte) bool {
	hash := sha256.Sum256(password)
	right := 0
	for _, p := range c.broker.passwords {
		right |= subtle.ConstantTimeCompare(hash[:], p[:])
	}
	if right == 1 && (len(user) == 0 || string(user) == "default") {
		c.trust()
		return true
	}
	c.error("WRONGPASS invalid username-password pair or user is disabled.")
	return false
}

// publish is the first hop of a message. Those who hear the channel are told
// of one that cannot be read.
func (c *client) publish(channel, data []byte) int {
	b, name := c.broker, string(channel)
	n, err := b.names.Read(name, data, b.sink.Message)
	if err != nil {
		b.names.Refuse(err)
		tag := b.names.Blamed(name)
		b.sink.Lost("unreadable", tag)
		b.sink.Live(tag)
	}
	return n
}

// printable is what of a client's text may stand in an answer.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
