package engineio

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// Clients of Socket.IO 0.9 (PROTOCOL.md chapter 7) have the same sessions, in
// version 1. What differs: the handshake opens no transport, and the paths name
// it; a WebSocket is the transport at once, and nothing is upgraded to it; an
// idle poll is ended with a no-op and not kept for long, which stands for
// heartbeats; and a poll whose session ends without a last word is answered
// with an error, upon which the client comes back.

// The transports of version 1 beside "websocket", as in the path.
const (
	legacyXHR   = "xhr-polling"
	legacyJSONP = "jsonp-polling"
)

const (
	legacyIdle  = 20 * time.Second // a poll without messages
	legacyError = "7:::1+0"        // client not handshaken; advice: reconnect
)

// A legacyRequest is what the path of a 0.9 client says: "…/1/" is a handshake,
// "…/1/<transport>/<sid>" a transport. The end of a session may leave the
// transport out.
type legacyRequest struct{ transport, sid string }

// legacyOf is not ok if r is not of a 0.9 client. Later ones always say their
// transport in the query.
func legacyOf(r *http.Request, q url.Values) (l legacyRequest, ok bool) {
	if q.Has("transport") || q.Has("EIO") {
		return l, false
	}
	parts := strings.Split(strings.TrimSuffix(r.URL.Path, "/"), "/")
	for i := len(parts) - 1; i >= max(0, len(parts)-3); i-- {
		if parts[i] != "1" {
			continue
		}
		switch rest := parts[i+1:]; len(rest) {
		case 1:
			l.sid = rest[0]
		case 2:
			l.transport, l.sid = rest[0], rest[1]
		}
		return l, true
	}
	return l, false
}

func (s *Server) serveLegacy(w http.ResponseWriter, r *http.Request, q url.Values, l legacyRequest) {
	name := polling
	if l.transport == webSocket {
		name = webSocket
	}
	offered := s.opts.transportNamed(name)
	if l.sid == "" && offered == nil { // the handshake is for any
		offered = s.opts.transportNamed(webSocket)
	}
	upgrade := isUpgrade(r)
	switch {
	case s.opts.RefuseV3:
		s.refuse(w, r, errVersion)
		return
	case offered == nil:
		s.refuse(w, r, errTransport)
		return
	case !s.admit(w, r, offered, upgrade):
		return
	case l.sid == "":
		s.serveLegacyHandshake(w, r, q)
		return
	}
	session := s.lookup(l.sid)
	switch {
	case session == nil && s.elsewhere(w, r, l.sid):
	case session == nil || session.version != packet.V1:
		s.refuseLegacy(w, r)
	case !session.bound(r):
		s.refuse(w, r, errForbidden)
	case q.Has("disconnect"):
		session.receive(packet.Packet{Type: packet.Close})
		w.WriteHeader(http.StatusOK)
	case l.transport == webSocket && upgrade:
		session.serveAttach(w, r)
	case l.transport != legacyXHR && l.transport != legacyJSONP || upgrade:
		s.refuse(w, r, errBadRequest)
	case r.Method == http.MethodGet:
		session.servePoll(w, r)
	case r.Method == http.MethodPost:
		session.servePost(w, r)
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

// refuseLegacy tells a client that it has no session.
func (s *Server) refuseLegacy(w http.ResponseWriter, r *http.Request) {
	if isUpgrade(r) {
		s.refuse(w, r, errSession)
		return
	}
	if s.opts.Refused != nil {
		s.opts.Refused(r, errSession.code, errSession.message)
	}
	body, contentType := []byte(legacyError), "text/plain; charset=UTF-8"
	if c := legacyCallback(r); c != nil {
		body, contentType = c.script(body)
	}
	writeBody(w, http.StatusOK, contentType, body)
}

// serveLegacyHandshake opens a session. If the application ends it at once, the
// client gets the reason: it has no other way to hear it.
func (s *Server) serveLegacyHandshake(w http.ResponseWriter, r *http.Request, q url.Values) {
	if r.Method != http.MethodGet {
		s.refuse(w, r, errMethod)
		return
	}
	if !s.check(w, r) {
		return
	}
	place, full := s.reserve(r)
	if full != nil {
		s.refuse(w, r, *full)
		return
	}
	session := newSession(s, packet.V1, newHandshake(r), place)
	session.polls(nil, r.Header)
	if session.id == "" || s.lookup(session.id) != nil || !s.add(session, polling) {
		s.release(place)
		s.refuse(w, r, errBadRequest)
		return
	}
	session.begin(r)
	if reason, ended := session.ended(); ended {
		writeBody(w, http.StatusForbidden, "text/plain; charset=UTF-8", []byte(reason))
		session.end(reason)
		return
	}
	session.setCookie(w)
	body, contentType := s.legacyHello(session.id), "text/plain; charset=UTF-8"
	if q.Has("jsonp") {
		body, contentType = (&callback{"io.j", q.Get("jsonp")}).script(body)
	}
	setPollingHeader(w, r)
	writeBody(w, http.StatusOK, contentType, body)
}

// legacyHello is "sid:heartbeat timeout:close timeout:transports", in seconds.
func (s *Server) legacyHello(sid string) []byte {
	var names []string
	if s.opts.transportNamed(webSocket) != nil {
		names = append(names, webSocket)
	}
	if s.opts.transportNamed(polling) != nil {
		names = append(names, legacyXHR, legacyJSONP)
	}
	quiet := (s.opts.PingInterval + s.opts.PingTimeout + time.Second - 1) / time.Second
	return fmt.Appendf(nil, "%s:%d:%d:%s", sid, quiet, quiet, strings.Join(names, ","))
}

// serveAttach makes a WebSocket the transport of a session that has none yet.
func (s *Session) serveAttach(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	wanted := s.state == stateOpen && s.ws == nil && !s.upgrading && s.poll == nil && s.answering == nil
	s.upgrading = s.upgrading || wanted
	s.mu.Unlock()
	if !wanted {
		s.server.refuse(w, r, errBadRequest)
		return
	}
	k, hello, early := s.server.openSocket(w, r, s)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.upgrading = false
	if k == nil {
		return
	}
	k.write(hello)
	if s.state == stateOpen {
		s.ws, k.live = k, true
		s.server.stats.closed(s.version, polling)
		s.server.stats.opened(s.version, webSocket)
		s.heardLocked()
		s.flushLocked()
	} else {
		k.conn.Close(statusless)
	}
	k.conn.Start(early)
}

// legacyCallback is the function of the client that answers to r call, if r is
// of a script tag.
func legacyCallback(r *http.Request) *callback {
	q := r.URL.Query()
	if l, ok := legacyOf(r, q); !ok || l.transport != legacyJSONP {
		return nil
	}
	return &callback{"io.j", q.Get("i")}
}

// legacyForm is the payload in the field d of a form: a JSON string.
func legacyForm(d string) []byte {
	var payload string
	if json.Unmarshal([]byte(d), &payload) != nil {
		return nil
	}
	return []byte(payload)
}

// idle is how long a poll waits for messages; 0 for as long as it takes.
func (s *Session) idle() time.Duration {
	if s.version != packet.V1 {
		return 0
	}
	opts := &s.server.opts
	// The client gives up after interval and timeout without an answer.
	return min(legacyIdle, (opts.PingInterval+opts.PingTimeout)/2)
}

// ended reports whether the session has ended or is about to, and why.
func (s *Session) ended() (reason string, ended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reason, s.state != stateOpen
}
