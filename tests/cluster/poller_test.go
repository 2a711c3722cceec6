package cluster

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// A tally is what all clients have seen.
type tally struct {
	began   time.Time
	polls   atomic.Int64
	heard   atomic.Int64 // messages
	errors  atomic.Int64 // clients that ended, and why the first did
	fault   atomic.Pointer[string]
	delays  [10_000]atomic.Int64 // messages, by the milliseconds they took
	quitted atomic.Bool          // what is closed now is closed by the test
}

// percentile is the time within which so many of a thousand messages came.
func (a *tally) percentile(of int64) time.Duration {
	left := a.heard.Load() * of / 1000
	for i := range a.delays {
		if left -= a.delays[i].Load(); left <= 0 {
			return time.Duration(i+1) * time.Millisecond
		}
	}
	return time.Duration(len(a.delays)) * time.Millisecond
}

func (a *tally) fail(err error) {
	if a.quitted.Load() {
		return
	}
	text := err.Error()
	a.fault.CompareAndSwap(nil, &text)
	a.errors.Add(1)
}

// A poller is a client of Engine.IO 4 by long-polling, over one connection to
// the balancer, which sends each of its requests somewhere else. It hears one
// channel, whose messages are {"n":1,"t":nanoseconds}, {"n":2,"t":…} and so on.
type poller struct {
	tally *tally
	conn  net.Conn
	r     *bufio.Reader
	path  string       // with the sid, after the handshake
	last  atomic.Int64 // number of the last message
}

var (
	sid     = regexp.MustCompile(`"sid":"([^"]+)"`)
	message = regexp.MustCompile(`\{"n":(\d+),"t":(\d+)\}`)
)

// dial is a client that hears the channel.
func dial(address, channel string, a *tally) (*poller, error) {
	conn, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return nil, err
	}
	p := &poller{tally: a, conn: conn, r: bufio.NewReaderSize(conn, 2<<10), path: "/socket.io/?EIO=4&transport=polling"}
	if err := p.join(channel); err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *poller) join(channel string) error {
	open, err := p.ask("")
	if err != nil {
		return err
	}
	found := sid.FindSubmatch(open)
	if found == nil {
		return fmt.Errorf("the handshake is answered with %q", open)
	}
	p.path += "&sid=" + string(found[1])
	for _, packet := range []string{"40", fmt.Sprintf(`420["subscribe",%q]`, channel)} {
		if _, err := p.ask(packet); err != nil {
			return err
		}
	}
	for {
		body, err := p.ask("")
		if err != nil || bytes.Contains(body, []byte(`430[{"ok":true`)) {
			return err
		}
	}
}

// run polls until the connection ends, which is a fault unless the test does it.
func (p *poller) run() {
	for {
		body, err := p.ask("")
		if err == nil {
			err = p.take(body)
		}
		if err != nil {
			p.tally.fail(err)
			return
		}
	}
}

// take looks at what a poll has brought.
func (p *poller) take(body []byte) error {
	now := time.Since(p.tally.began)
	p.tally.polls.Add(1)
	for packet := range bytes.SplitSeq(body, []byte{0x1e}) {
		switch {
		case bytes.Equal(packet, []byte("2")):
			if _, err := p.ask("3"); err != nil {
				return err
			}
		case bytes.Equal(packet, []byte("1")):
			return io.EOF
		case bytes.Contains(packet, []byte("$gap")):
			return fmt.Errorf("a gap: %s", packet)
		}
		m := message.FindSubmatch(packet)
		if m == nil {
			continue
		}
		n, _ := strconv.ParseInt(string(m[1]), 10, 64)
		sent, _ := strconv.ParseInt(string(m[2]), 10, 64)
		if last := p.last.Load(); n != last+1 {
			return fmt.Errorf("message %d came after %d", n, last)
		}
		p.last.Store(n)
		p.tally.heard.Add(1)
		ms := (now - time.Duration(sent)).Milliseconds()
		p.tally.delays[min(max(ms, 0), int64(len(p.tally.delays)-1))].Add(1)
	}
	return nil
}

// ask sends a POST, or a GET if there is nothing to say.
func (p *poller) ask(body string) ([]byte, error) {
	var b strings.Builder
	if body == "" {
		fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", p.path)
	} else {
		fmt.Fprintf(&b, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", p.path, len(body), body)
	}
	if _, err := io.WriteString(p.conn, b.String()); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s", resp.Status, answer)
	}
	return answer, err
}
