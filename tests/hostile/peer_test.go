package hostile

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a peer waits for what must come.
const patience = 60 * time.Second

// A peer is one TCP connection, which sends what it is told and reads what
// comes.
type peer struct {
	conn   *net.TCPConn
	r      *bufio.Reader
	out    chan []byte // to the goroutine that writes
	seen   []string    // what came on a WebSocket, beside heartbeats
	pongs  int
	pinged bool // a heartbeat came
	mute   bool // heartbeats are not answered
}

func (n *target) connect() (*peer, error) {
	conn, err := net.DialTimeout("tcp", n.address, patience)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	p := &peer{conn: conn.(*net.TCPConn), r: bufio.NewReader(conn), out: make(chan []byte, 64)}
	go p.write() // ends with close
	return p, nil
}

// close ends the connection at once.
func (p *peer) close() {
	_ = p.conn.SetLinger(0)
	_ = p.conn.Close()
	close(p.out)
}

// send has data written after what was sent before: a server that has had enough
// may stop reading, and has something to say then.
func (p *peer) send(data []byte) { p.out <- data }

func (p *peer) write() {
	for data := range p.out {
		_, _ = p.conn.Write(data) // what fails is seen by who reads
	}
}

// request sends a request that is written by hand, and reads the answer.
func (p *peer) request(text string) (*answer, error) {
	p.send([]byte(text))
	return p.answer(http.MethodGet)
}

// An answer is one of HTTP, read to its end.
type answer struct {
	status int
	header http.Header
	last   bool // the connection is to end
	body   string
}

// answer reads one. A connection that ends without one is io.EOF.
func (p *peer) answer(method string) (*answer, error) {
	if _, err := p.r.Peek(1); err != nil {
		return nil, io.EOF
	}
	resp, err := http.ReadResponse(p.r, &http.Request{Method: method})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	a := &answer{status: resp.StatusCode, header: resp.Header, last: resp.Close}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return a, nil
	}
	body, err := io.ReadAll(resp.Body)
	a.body = string(body)
	return a, err
}

// webSocket makes the connection a WebSocket, of the session sid if it is not
// empty. The header is of the request.
func (p *peer) webSocket(sid, header string) error {
	path := "/socket.io/?EIO=4&transport=websocket"
	if sid != "" {
		path += "&sid=" + sid
	}
	a, err := p.request("GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" + header + "\r\n")
	switch {
	case err != nil:
		return err
	case a.status != http.StatusSwitchingProtocols:
		return fmt.Errorf("the upgrade was answered %d %s", a.status, a.body)
	}
	return nil
}

// text sends a text frame.
func (p *peer) text(s string) { p.send(clientFrame(ws.OpText, []byte(s))) }

// expect reads text frames up to one that begins so, and returns that.
func (p *peer) expect(prefix string) (string, error) {
	for {
		text, end := p.frame()
		switch {
		case end != "":
			return "", fmt.Errorf("%s, want %s", end, prefix)
		case strings.HasPrefix(text, prefix):
			return text, nil
		case text != "":
			p.seen = append(p.seen, text)
		}
	}
}

// frame is the next text frame that is no heartbeat, which it answers, or what
// ended the WebSocket: "close 1002", or "cut" without a close frame. Pongs are
// counted.
func (p *peer) frame() (text, end string) {
	f, err := readFrame(p.r)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "", "cut"
	case err != nil && strings.Contains(err.Error(), "reset"):
		return "", "reset"
	case err != nil:
		return "", err.Error()
	case f.Header.Masked || f.Header.Rsv != 0 || !f.Header.Fin:
		return "", fmt.Sprintf("the server sent a frame %+v", f.Header)
	}
	switch f.Header.OpCode {
	case ws.OpClose:
		if len(f.Payload) < 2 {
			return "", "close 1005"
		}
		code, _ := ws.ParseCloseFrameData(f.Payload)
		return "", fmt.Sprintf("close %d", code)
	case ws.OpPong:
		p.pongs++
		p.seen = append(p.seen, fmt.Sprintf("pong %d", len(f.Payload)))
	case ws.OpText:
		if string(f.Payload) == "2" {
			p.pinged = true
			if !p.mute {
				p.text("3")
			}
			return "", ""
		}
		return string(f.Payload), ""
	default:
		return "", fmt.Sprintf("the server sent a frame %+v", f.Header)
	}
	return "", ""
}

// finish reads until the end of the WebSocket, or until a text that begins as
// the probe does; it returns what came, and the end.
func (p *peer) finish(probe string) string {
	for {
		text, end := p.frame()
		switch {
		case end != "":
			if rest, _ := p.r.Peek(1); len(rest) > 0 {
				end += ", and more after it"
			}
			return p.outcome(end)
		case probe != "" && strings.HasPrefix(text, probe):
			return p.outcome("open")
		case text != "":
			p.seen = append(p.seen, text)
		}
	}
}

// outcome is what came, with the same thing again and again as one.
func (p *peer) outcome(end string) string {
	var out bytes.Buffer
	last := ""
	for _, s := range p.seen {
		if s != last {
			out.WriteString(s + ", ")
		}
		last = s
	}
	return out.String() + end
}

// closed reports whether the server ends the connection, and has not sent
// anything more.
func (p *peer) closed() string {
	switch rest, err := p.r.Peek(1); {
	case len(rest) > 0:
		return "more"
	case errors.Is(err, io.EOF):
		return "closed"
	case strings.Contains(err.Error(), "reset"):
		return "closed"
	default:
		return "kept"
	}
}
