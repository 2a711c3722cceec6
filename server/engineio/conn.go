package engineio

import (
	"net"
	"net/http"
	"net/url"
)

// ReasonForcedClose is why a session ended that Conn.Close ended.
const ReasonForcedClose = "forced close"

// A Conn is a new session, as Options.ConnInitor is shown it. Its methods may
// be called from any goroutine and at any time.
type Conn interface {
	ID() string
	URL() url.URL
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	RemoteHeader() http.Header // must not be changed

	// Context is what SetContext kept with the session.
	Context() any
	SetContext(v any)

	// Close ends the session as Session.Close does, for ReasonForcedClose.
	Close() error
}

// A newConn is a session as a Conn.
type newConn struct{ *Session }

func (c newConn) Close() error {
	c.Session.Close(ReasonForcedClose)
	return nil
}
