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
	loginTimeout   = 10 * time.Second // until AUTH, where there is a password
	commandTimeout = 15 * time.Second // for a command to come whole, and for an answer to be taken
	maxArgs        = 1024
	maxLine        = 64 << 10
	maxName        = 64 << 10 // bytes of the arguments beside the message
	flushSize      = 16 << 10 // bytes of answers that wait for a pipeline to end
)

// A client is one Redis client. Only its own goroutine uses it.
type client struct {
	broker  *Broker
	conn    net.Conn
	reader  *resp.Reader
	out     []byte // answers that were not sent yet
	id      int
	version int // of RESP
	name    string
	known   bool // it need not say the password, or has
	quit    bool
}

func newClient(b *Broker, conn net.Conn) *client {
	return &client{
		broker: b,
		conn:   conn,
		reader: resp.NewReader(conn, resp.Limits{
			Args: maxArgs, Bulk: b.config.MaxPublish, Total: b.config.MaxPublish + maxName, Line: maxLine,
		}),
		id:      int(b.ids.Add(1)),
		version: 2,
		known:   b.config.Password == "",
	}
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
	var deadline time.Time
	if !c.known {
		deadline = time.Now().Add(loginTimeout)
	}
	_ = c.conn.SetReadDeadline(deadline)
	if c.reader.Wait() != nil {
		return false
	}
	_ = c.conn.SetReadDeadline(time.Now().Add(commandTimeout))
	return true
}

func (c *client) flush() bool {
	if len(c.out) == 0 {
		return true
	}
	_ = c.conn.SetWriteDeadline(time.Now().Add(commandTimeout))
	_, err := c.conn.Write(c.out)
	c.out = c.out[:0]
	return err == nil
}

// complain tells a client why its connection ends. A browser is told nothing.
func (c *client) complain(err error) {
	for _, fault := range []error{
		resp.ErrArgs, resp.ErrBulk, resp.ErrTotal, resp.ErrLine, resp.ErrSyntax, resp.ErrQuotes,
	} {
		if errors.Is(err, fault) {
			c.out = resp.AppendError(c.out, "ERR Protocol error: "+strings.TrimPrefix(err.Error(), "resp: "))
		}
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
	switch {
	case !c.known && !command.open:
		c.error("NOAUTH Authentication required.")
	case !ok:
		c.error("ERR unknown command '" + printable(name) + "': this broker takes PUBLISH; --redis has the rest")
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

// login compares in constant time. There is one user, named default.
func (c *client) login(user, password []byte) bool {
	hash := sha256.Sum256(password)
	right := subtle.ConstantTimeCompare(hash[:], c.broker.password[:]) == 1
	if right && (len(user) == 0 || string(user) == "default") {
		c.known = true
		return true
	}
	c.error("WRONGPASS invalid username-password pair or user is disabled.")
	return false
}

// publish is the first hop of a message.
func (c *client) publish(channel, data []byte) int {
	tag, ours := c.broker.tag(channel)
	if !ours {
		return 0
	}
	return c.broker.sink.Message(tag, data)
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
