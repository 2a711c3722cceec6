package engineio

import (
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gobwas/ws"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// A Handshake is the request that a session began with. It must not be changed.
type Handshake struct {
	URL        url.URL
	Header     http.Header
	RemoteAddr net.Addr
	LocalAddr  net.Addr
	Secure     bool // the request came over TLS
	Time       time.Time
}

// addr is an address as net/http has it.
type addr string

func (a addr) Network() string { return "tcp" }
func (a addr) String() string  { return string(a) }

func newHandshake(r *http.Request) *Handshake {
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		local = addr(r.Host)
	}
	return &Handshake{
		URL:        *r.URL,
		Header:     r.Header, // net/http makes one for each request
		RemoteAddr: addr(r.RemoteAddr),
		LocalAddr:  local,
		Secure:     r.TLS != nil,
		Time:       time.Now(),
	}
}

// serveHandshake opens a session or refuses to, for the reasons of PROTOCOL.md
// 2.4.
func (s *Server) serveHandshake(w http.ResponseWriter, r *http.Request, q url.Values, transport string, upgrade bool) {
	version, ok := versionOf(q)
	switch {
	case r.Method != http.MethodGet:
		s.refuse(w, r, errMethod)
		return
	case transport == webSocket && !upgrade:
		s.refuse(w, r, errBadRequest)
		return
	case !ok, version == packet.V3 && s.opts.RefuseV3:
		s.refuse(w, r, errVersion)
		return
	case strings.Trim(q.Get("j"), "0123456789") != "":
		s.refuse(w, r, errBadRequest) // the reference takes the digits that there are
		return
	case transport == polling && upgrade:
		s.dismiss(w, r)
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
	session := newSession(s, version, newHandshake(r), place)
	jsonp := callbackOf(q)
	session.b64 = version == packet.V3 && (q.Get("b64") != "" || jsonp != nil)
	if transport == polling {
		session.polls(jsonp, r.Header)
	}
	if !session.open(w, r, transport) {
		s.release(place)
	}
}

// open answers the handshake. It is false if the session has not begun.
func (s *Session) open(w http.ResponseWriter, r *http.Request, transport string) bool {
	taken := s.id == "" || s.server.lookup(s.id) != nil
	if !taken && transport == webSocket {
		return s.openWebSocket(w, r)
	}
	if taken || !s.server.add(s, polling) {
		s.server.refuse(w, r, errBadRequest)
		return false
	}
	s.begin(r)
	s.setCookie(w)
	body, contentType := s.payload(w, r, []Frame{s.openFrame(polling)})
	if r.ContentLength != 0 || !s.server.parkAnswered(w, r, http.StatusOK, contentType, body, true) {
		writeBody(w, http.StatusOK, contentType, body)
	}
	return true
}

// check asks the RequestChecker. If it refuses r, the client has been told.
func (s *Server) check(w http.ResponseWriter, r *http.Request) bool {
	if s.opts.RequestChecker == nil {
		return true
	}
	header, err := s.opts.RequestChecker(r)
	if err != nil {
		e := errForbidden
		if text := err.Error(); text != "" {
			e.message = text
		}
		s.refuse(w, r, e)
		return false
	}
	for name, values := range header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	return true
}

// openFrame is packet 0 (PROTOCOL.md 2.3): five keys and no more.
func (s *Session) openFrame(transport string) Frame {
	opts := &s.server.opts
	upgrades := "[]"
	if transport == polling && !opts.NoUpgrade && opts.transportNamed(webSocket) != nil {
		upgrades = `["websocket"]`
	}
	sid, _ := json.Marshal(s.id) // a string always encodes
	buf := append(append(open(160), `0{"sid":`...), sid...)
	buf = append(append(buf, `,"upgrades":`...), upgrades...)
	buf = strconv.AppendInt(append(buf, `,"pingInterval":`...), opts.PingInterval.Milliseconds(), 10)
	buf = strconv.AppendInt(append(buf, `,"pingTimeout":`...), opts.PingTimeout.Milliseconds(), 10)
	buf = strconv.AppendInt(append(buf, `,"maxPayload":`...), int64(opts.MaxPayload), 10)
	return closed(ws.OpText, append(buf, '}'))
}

func (s *Session) setCookie(w http.ResponseWriter) {
	if opts := &s.server.opts; opts.Cookie != nil {
		http.SetCookie(w, opts.cookie(s.id))
	}
}

// isUpgrade reports whether r asks to leave HTTP.
func isUpgrade(r *http.Request) bool {
	if r.Header.Get("Upgrade") == "" {
		return false
	}
	for _, line := range r.Header["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(token), "upgrade") {
				return true
			}
		}
	}
	return false
}

// isHeaderText reports whether a header may have the value v.
func isHeaderText(v string) bool {
	return !strings.ContainsFunc(v, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f })
}

// isOldIE reports whether the client is one that X-XSS-Protection is for
// (PROTOCOL.md 2.5).
func isOldIE(r *http.Request) bool {
	agent := r.UserAgent()
	return strings.Contains(agent, ";MSIE") || strings.Contains(agent, "Trident/")
}
