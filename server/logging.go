package server

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/socketio"
)

// What the log says of clients: sessions, members and addresses stand in it as
// short hashes, by which lines are compared and nobody is found. Tokens,
// cookies, keys, payloads, URLs and headers do not stand in it at any level.

// A hasher makes the short hashes of the log. They are keyed, because a plain
// hash of an address is undone by trying all four thousand million of them. The
// key is made of the newest guest key: nodes that share it write the same hashes, so
// that a client can be followed from one to another. Without a guest key they
// hold for one run of one process.
type hasher struct{ key []byte }

func newHasher(guestKeys [][]byte) hasher {
	if len(guestKeys) == 0 {
		guestKeys = [][]byte{[]byte(rand.Text())}
	}
	mac := hmac.New(sha256.New, guestKeys[0])
	mac.Write([]byte("stream-server log")) // and so it signs no guest
	return hasher{mac.Sum(nil)}
}

// short is eight hexadecimal digits that stand for id in the log.
func (h hasher) short(id string) string {
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}

// address is short for an address, without its port.
func (h hasher) address(a netip.Addr) string {
	if !a.IsValid() {
		return "none"
	}
	return h.short(a.String())
}

// debugging reports whether debug lines are written. Those who would write one
// ask first: there is one for each connection, and making it costs more than
// the question.
func (s *Server) debugging() bool {
	switch log := s.log.(type) {
	case *logrus.Logger:
		return log.IsLevelEnabled(logrus.DebugLevel)
	case *logrus.Entry:
		return log.Logger.IsLevelEnabled(logrus.DebugLevel)
	default:
		return false
	}
}

// logOpened is called before the handshake is forgotten.
func (s *Server) logOpened(conn socketio.Conn, member string) {
	if !s.debugging() {
		return
	}
	s.log.WithFields(logrus.Fields{
		"session": s.hash.short(conn.ID()), "member": s.hash.short(member), "address": s.hash.address(s.addressOf(conn)),
		"transport": conn.Transport(), "protocol": conn.Protocol(),
	}).Debug("session opened")
}

func (s *Server) logClosed(conn socketio.Conn, reason string) {
	if !s.debugging() {
		return
	}
	s.log.WithFields(logrus.Fields{
		"session": s.hash.short(conn.ID()), "transport": conn.Transport(), "protocol": conn.Protocol(), "reason": reason,
	}).Debug("session closed")
}

// logUnidentified tells of a client whose credentials are no good.
func (s *Server) logUnidentified(conn socketio.Conn, e *wireError) {
	if !s.debugging() {
		return
	}
	s.log.WithFields(logrus.Fields{
		"session": s.hash.short(conn.ID()), "address": s.hash.address(s.addressOf(conn)), "code": e.Code,
	}).Debug("auth refused")
}

// addressOf is whom the connection of conn comes from, until its handshake is
// forgotten.
func (s *Server) addressOf(conn socketio.Conn) netip.Addr {
	return s.proxies.client(conn.RemoteAddr().String(), conn.RemoteHeader())
}

// logRefused tells of an event that was answered with an error. What cannot be
// a channel is not repeated: it may be anything.
func (s *Server) logRefused(c *client, event string, e *wireError) {
	if !s.debugging() {
		return
	}
	fields := logrus.Fields{"session": s.hash.short(c.ID()), "code": e.Code}
	if e.Channel != "" && e.Code != CodeBadChannel {
		fields["channel"] = tags.Loggable(e.Channel)
	}
	s.log.WithFields(fields).Debug(event + " refused")
}

// logTurnedAway is engineio.Options.Refused.
func (s *Server) logTurnedAway(r *http.Request, code int, message string) {
	if s.debugging() {
		s.log.WithFields(logrus.Fields{"address": s.hash.address(s.address(r)), "code": code, "why": message}).
			Debug("connection refused")
	}
}

// A noted answer is remembered, for the log.
type noted struct {
	http.ResponseWriter
	status int
	code   Code // of writeError
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// Unwrap is for [http.ResponseController].
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

// logRefusals tells of requests below /api/ that were answered with an error.
func (s *Server) logRefusals(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, "/api/") || !s.debugging() {
			next.ServeHTTP(w, r)
			return
		}
		n := &noted{ResponseWriter: w}
		next.ServeHTTP(n, r)
		if n.status >= http.StatusBadRequest {
			s.log.WithFields(logrus.Fields{
				"request": r.Pattern, "address": s.hash.address(s.address(r)), "status": n.status, "code": n.code,
			}).Debug("request refused")
		}
	})
}

// loggableOrigin is what of an Origin header is an origin.
func loggableOrigin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" || len(origin) > 255 || strings.ContainsAny(origin, "?#@") {
		return "not an origin"
	}
	return loggable(u.Scheme + "://" + u.Host)
}
