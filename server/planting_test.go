package server_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// sockets are clients of both versions, with and without good credentials.
func (p *planting) sockets() {
	base := p.url + "?planted-name=planted-value"
	for _, version := range []packet.Version{packet.V3, packet.V4} {
		for _, auth := range []map[string]any{
			{"token": p.token(time.Hour)},
			{"guest": "planted-guest"},
			{"planted": "planted"},
			nil,
		} {
			conn, err := client.Dial(p.t.Context(), base, client.Options{Version: version, Auth: auth, Header: p.secret, TLS: p.tls})
			if err != nil {
				p.t.Fatal(err)
			}
			b := &browser{Conn: conn, t: p.t}
			b.next() // $session
			b.hear("open")
			b.call("subscribe", "member:planted-member")
			for _, call := range [][]any{
				{"subscribe", "$planted"},
				{"subscribe", map[string]any{"planted": "planted"}},
				{"unsubscribe", "planted\r\n{\x1b[2J"},
				{"identify", "planted-token"},
				{"identify", p.token(-time.Hour)},
			} {
				if a := b.call(call[0].(string), call[1]); a.OK {
					p.t.Errorf("%s was answered with ok, want an error", call)
				}
			}
			_ = conn.Emit("planted-event", "planted-payload")
			b.call("identify", p.token(time.Hour))
			_ = conn.Close()
		}
		for _, token := range []string{"planted-token", p.token(-time.Hour), strings.Repeat("planted", 2000)} {
			// A URL cannot be as long as the last one.
			if _, err := client.Dial(p.t.Context(), base, client.Options{
				Version: version, Auth: map[string]any{"token": token}, Header: p.secret, TLS: p.tls,
			}); err == nil {
				p.t.Error("a bad token was taken")
			}
		}
		broken := http.Header{"Cookie": {"session=planted-broken"}}
		if _, err := client.Dial(p.t.Context(), base, client.Options{Version: version, Header: broken, TLS: p.tls}); err == nil {
			p.t.Error("somebody was let in whom the web server could not tell of")
		}
	}
}

// whoServer is a web server that knows nobody, and fails for whoever is broken.
func whoServer(t *testing.T) (url string) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusNoContent
		if strings.Contains(r.Header.Get("Cookie"), "broken") {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(web.Close)
	return web.URL + "/planted?planted=planted"
}

// requests are of all kinds to every endpoint that there is.
func (p *planting) requests() {
	hello, _ := p.send("GET", "/socket.io/?EIO=4&transport=polling", "", nil)
	_, sid, _ := strings.Cut(hello, `"sid":"`)
	sid, _, _ = strings.Cut(sid, `"`)
	for _, path := range []string{
		"/", "/console/page.js", "/console/page.css", "/console/favicon.svg", "/api/console", "/api/sessions/planted", "/api/channels/planted/sessions", "/sb.js", "/sb.mjs", "/planted", "//planted/..", "/healthz", "/readyz", "/metrics",
		"/api/stats", "/api/info", "/api/publish", "/api/identify", "/api/channels",
		"/api/channels/planted", "/api/members/planted", "/api/disconnect", "/api/unsubscribe", "/api/planted", "/events/planted",
		"/socket.io/?EIO=4&transport=polling", "/socket.io/?EIO=3&transport=polling&j=planted", "/socket.io/1/",
		"/socket.io/?EIO=4&transport=planted", "/socket.io/?EIO=planted", "/socket.io/?EIO=4&transport=websocket",
		"/socket.io/?EIO=4&transport=polling&sid=planted", "/socket.io/1/xhr-polling/planted", "/socket.io/1/websocket/planted",
		"/socket.io/?EIO=4&transport=websocket&sid=" + sid,
		"/" + strings.Repeat("planted", 2000),
	} {
		query := "?"
		if strings.Contains(path, "?") {
			query = "&"
		}
		path += query + "token=planted-token&planted"
		for _, method := range []string{"GET", "POST", "OPTIONS", "PLANTED"} {
			for _, extra := range []http.Header{
				nil,
				{"Origin": {"https://planted.example"}},
				{"Origin": {"https://planted:planted@foreign.example/planted?planted"}},
				{"Connection": {"Upgrade"}, "Upgrade": {"planted"}},
				{"Authorization": {"Bearer planted-operator-key"}},
			} {
				p.send(method, path, `{"planted":"planted-body"}`, extra)
			}
		}
	}
	post := "/socket.io/?EIO=4&transport=polling&sid=" + sid
	p.send("POST", post, `40{"token":"planted"}`, nil)
}

// send is one request with everything planted; what is answered is no concern.
func (p *planting) send(method, path, body string, extra http.Header) (answer string, status int) {
	if method == http.MethodGet {
		body = ""
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header = p.secret.Clone()
	maps.Copy(req.Header, extra)
	resp, err := p.http.Do(req)
	if err != nil {
		return "", 0
	}
	defer resp.Body.Close()
	data, _ := io.ReadAll(resp.Body)
	return string(data), resp.StatusCode
}

// publishing is what web servers do, rightly and wrongly.
func (p *planting) publishing(addr, password string) {
	b := p.open(p.t, client.Options{Auth: map[string]any{"token": p.token(time.Hour)}})
	b.hear("open", "member:planted-member")
	key := http.Header{"Authorization": {"Bearer planted-publish-key"}}
	for body, want := range map[string]int{
		`{"channel":"open","data":"planted-payload"}`:     http.StatusOK,
		`{"channel":"$planted","data":"planted-payload"}`: http.StatusBadRequest,
		`planted-payload`: http.StatusBadRequest,
		`{"channel":"open","data":"` + strings.Repeat("planted", 2000) + `"}`:            http.StatusRequestEntityTooLarge,
		`{"channel":"member:planted-member","data":"` + strings.Repeat("p", 2048) + `"}`: http.StatusRequestEntityTooLarge,
	} {
		if _, got := p.send("POST", "/api/publish?planted", body, key); got != want {
			p.t.Errorf("publishing %.60s = %d, want %d", body, got, want)
		}
	}
	p.raw(addr, "AUTH planted-wrong\r\nPLANTED planted\r\n*1\r\n$planted\r\n")
	p.raw(addr, fmt.Sprintf("AUTH %s\r\nPUBLISH sb:open planted-payload\r\nPLANTED planted\r\nPUBLISH sb:member:planted-member %s\r\nQUIT\r\n",
		password, strings.Repeat("planted", 1000)))
	b.want("open", `"planted-payload"`)
	b.want("open", `"planted-payload"`)
}

// bytes are what is no request.
func (p *planting) bytes() {
	addr := p.url[strings.Index(p.url, "//")+2:]
	for _, text := range []string{
		"planted\r\n\r\n",
		"GET /socket.io/ HTTP/1.1\r\nHost: x\r\nOrigin: https://\x1b[2Jplanted\r\n\r\n",
		"GET /planted?planted HTTP/9.9\r\n\r\n",
		"GET /planted HTTP/1.1\r\nHost: planted planted\r\nplanted\r\n\r\n",
		"GET http://planted:planted@planted/planted HTTP/1.1\r\nHost: x\r\nContent-Length: planted\r\n\r\n",
		"\x16\x03\x01\x00\x07planted",
		"",
	} {
		p.raw(addr, text)
	}
}

// raw says text to an address, and returns when that is answered with the end.
func (p *planting) raw(addr, text string) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		p.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = io.WriteString(c, text)
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
}

// mentions reports whether a line of the log begins so.
func (j *journal) mentions(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	for said := range j.said {
		if strings.HasPrefix(said, text) {
			return true
		}
	}
	return false
}
