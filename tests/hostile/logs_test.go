package hostile

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/server"
)

// forgery is what would be a line of the log of its own, and in colour, if it
// got there as it is.
const forgery = "x\r\n{\"level\":\"error\",\"msg\":\"forged\",\"time\":\"now\"}\x1b[31m\u009b31m\u2028\x00"

// TestLogs puts that wherever a stranger may say something (RELIABILITY.md P2):
// the log has no line that the server has not written, in both its forms.
func TestLogs(t *testing.T) {
	for _, name := range []string{"plain", "redis"} {
		t.Run(name, func(t *testing.T) {
			n := start(t, name, server.Config{})
			n.forge(t)
			n.stop()
			n.log.check(t, name)
			text := n.log.text()
			if strings.Contains(text, `"msg":"forged"`) {
				t.Errorf("a line was forged:\n%s", text)
			}
			if !strings.Contains(text, "refused a page of another origin") {
				t.Errorf("nothing was logged, so nothing was tested:\n%s", text)
			}
		})
	}
	t.Run("as text", func(t *testing.T) {
		n := startWith(t, "plain", server.Config{}, &logrus.TextFormatter{DisableColors: true})
		n.forge(t)
		n.stop()
		line := regexp.MustCompile(`^time="[^"]+" level=(debug|info|warning) msg=`)
		text := n.log.text()
		for one := range strings.Lines(text) {
			one = strings.TrimSuffix(one, "\n")
			if !line.MatchString(one) || strings.ContainsFunc(one, isControl) {
				t.Errorf("%q is no line of the server's", one)
			}
		}
		if text == "" {
			t.Error("nothing was logged, so nothing was tested")
		}
	})
}

// isControl reports whether a terminal, or who reads lines, may act on r.
func isControl(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

// forge says it in headers, queries, packets, commands and names. What becomes
// of each is for other tests.
func (n *target) forge(t *testing.T) {
	t.Helper()
	header := strings.NewReplacer("\r\n", "\t", "\x00", "").Replace(forgery)
	query := url.QueryEscape(forgery)
	for _, request := range []string{
		"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: " + strings.ReplaceAll(header, "\x1b", "") + "\r\n",
		"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\nOrigin: " + header + "\r\n",
		"GET /socket.io/?EIO=4&transport=polling&sid=" + query + "&token=" + query + " HTTP/1.1\r\nHost: x\r\nOrigin: " + query + "\r\n",
		"GET /" + query + "?x=" + query + ";y HTTP/1.1\r\nHost: x\r\nUser-Agent: " + header + "\r\n",
		"POST /api/publish HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + header + "\r\nContent-Length: 0\r\n",
		forgery,
	} {
		p, err := n.connect()
		if err != nil {
			t.Fatal(err)
		}
		p.send([]byte(request + "Connection: close\r\n\r\n"))
		_, _ = p.answer("GET")
		p.close()
	}
	escaped := strings.NewReplacer("\r", `\r`, "\n", `\n`, `"`, `\"`, "\x1b", `\u001b`, "\x00", `\u0000`).Replace(forgery)
	for _, packet := range []string{
		`40{"token":"` + escaped + `","guest":"` + escaped + `"}`,
		`42["identify","` + escaped + `"]`,
		`42["subscribe","` + escaped + `"]`,
		`42["` + escaped + `"]`,
		`40/` + forgery + `,`,
		forgery,
	} {
		p, _, err := n.open("")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(packet, "40") {
			p.text("40")
		}
		p.text(packet)
		p.text(probe)
		_ = p.finish(probeAck)
		p.close()
	}
	n.forgeByRedis(t)
}

// forgeByRedis says it as a web server does.
func (n *target) forgeByRedis(t *testing.T) {
	t.Helper()
	p, _, err := n.join("")
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.text(`420["subscribe","zimmer/é"]`)
	if _, err := p.expect(`430[{"ok":true`); err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{forgery, strings.Repeat("[", 1000), strings.Repeat("x", 1<<20+1)} {
		for _, channel := range []string{"zimmer/é", forgery} {
			_ = n.publish(channel, []byte(data)) // a broker of our own refuses some
		}
	}
	web, err := redis.Dial("tcp", n.broker)
	if err != nil {
		t.Fatal(err)
	}
	defer web.Close()
	_, _ = web.Do(forgery, forgery)
	_, _ = web.Do("CLIENT", "SETNAME", forgery)
	if n.name == "plain" {
		browser := &target{address: n.broker}
		p, err := browser.connect()
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		p.send([]byte("POST /" + forgery + " HTTP/1.1\r\nHost: " + forgery + "\r\n\r\n"))
		_, _ = p.answer("POST")
	}
}
