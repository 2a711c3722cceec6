package engineio

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

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
	case transport == polling && upgrade:
		s.dismiss(w, r)
		return
	}
	if !s.check(w, r) {
		return
	}
	session := newSession(s, version, newHandshake(r))
	jsonp := callbackOf(q)
	session.b64 = version == packet.V3 && (q.Get("b64") != "" || jsonp != nil)
	if transport == polling {
		session.polls(jsonp)
	}
	if session.id == "" || s.lookup(session.id) != nil {
		s.refuse(w, r, errBadRequest)
		return
	}
	if transport == webSocket {
		session.openWebSocket(w, r)
		return
	}
	if !s.add(session, polling) {
		s.refuse(w, r, errBadRequest)
		return
	}
	session.begin(r)
	session.setCookie(w)
	body, contentType := session.payload(w, r, []Frame{session.openFrame(polling)})
	writeBody(w, http.StatusOK, contentType, body)
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
	return textFrame(fmt.Appendf(make([]byte, 0, 160), `0{"sid":%s,"upgrades":%s,"pingInterval":%d,"pingTimeout":%d,"maxPayload":%d}`,
		sid, upgrades, opts.PingInterval.Milliseconds(), opts.PingTimeout.Milliseconds(), opts.MaxPayload))
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
