package engineio

import (
	"io"
	"testing"
	"testing/synctest"
	"time"
)

const ms = time.Millisecond

// fast are the intervals of PROTOCOL.md 2.7.
var fast = Options{PingInterval: 300 * ms, PingTimeout: 200 * ms, UpgradeTimeout: 500 * ms}

// openPolling begins a session in time.
func (x *timed) openPolling(version string) (url string, s *Session) {
	x.t.Helper()
	url = x.url + "EIO=" + version + "&transport=polling"
	if got := x.do("GET", url, ""); got.status != 200 {
		x.t.Fatalf("handshake = %d %q, %v", got.status, got.body, got.err)
	}
	s = x.last()
	return url + "&sid=" + s.ID(), s
}

func (x *timed) openWebSocket(version string) *wsClient {
	x.t.Helper()
	c := x.dial(x.url + "EIO=" + version + "&transport=websocket")
	c.next()
	synctest.Wait()
	return c
}

func (x *timed) wantPoll(url, want string) {
	x.t.Helper()
	if got := x.do("GET", url, ""); got.body != want {
		x.t.Errorf("poll = %d %q, %v; want %q", got.status, got.body, got.err, want)
	}
}

func (x *timed) wantReason(s *Session, want string) {
	x.t.Helper()
	synctest.Wait()
	x.mu.Lock()
	defer x.mu.Unlock()
	if got := x.reasons[s.ID()]; got != want {
		x.t.Errorf("session ended with %q, want %q", got, want)
	}
}

func TestHeartbeatPolling(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		url, s := x.openPolling("4")
		x.wantPoll(url, "2")
		x.at(300 * ms)
		x.until(450 * ms)
		x.do("POST", url, "3")
		x.wantPoll(url, "2") // an interval after the pong
		x.at(750 * ms)
		x.wantPoll(url, "1") // no pong
		x.at(950 * ms)
		x.wantReason(s, ReasonPingTimeout)
	})
}

func TestHeartbeatWithoutPoll(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		url, s := x.openPolling("4")
		x.until(499 * ms)
		x.do("POST", url, "4a") // no sign of life
		x.wantReason(s, "")
		x.until(500 * ms)
		x.wantReason(s, ReasonPingTimeout)
		x.wantPoll(url, `{"code":1,"message":"Session ID unknown"}`)
	})
}

func TestHeartbeatPollingV3(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		url, s := x.openPolling("3")
		x.until(400 * ms)
		x.do("POST", url, "1:2")
		x.wantPoll(url, "1:3")
		x.at(400 * ms)
		x.wantPoll(url, "1:1")
		x.at(900 * ms)
		x.wantReason(s, ReasonPingTimeout)
	})
}

func TestHeartbeatWebSocket(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		c := x.openWebSocket("4")
		c.want("text 2")
		x.at(300 * ms)
		x.until(400 * ms)
		c.text("3")
		x.until(600 * ms)
		c.text("4a") // changes nothing
		c.want("text 4a", "text 2")
		x.at(700 * ms)
		c.want("close 1005", "end")
		x.at(900 * ms)
		x.wantReason(x.last(), ReasonPingTimeout)
	})
}

func TestHeartbeatWebSocketV3(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		c := x.openWebSocket("3")
		x.until(499 * ms)
		c.text("2")
		c.want("text 3")
		x.until(600 * ms)
		c.text("4a")
		c.want("text 4a", "close 1005", "end")
		x.at(999 * ms)
		x.wantReason(x.last(), ReasonPingTimeout)
	})
}

// TestHeartbeatAfterUpgrade checks that the timers go on, and that those of the
// upgrade are gone.
func TestHeartbeatAfterUpgrade(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		url, s := x.openPolling("4")
		c := x.dial(x.url + "EIO=4&transport=websocket&sid=" + s.ID())
		c.text("2probe")
		c.want("text 3probe")
		x.wantPoll(url, "6")
		x.at(0)
		x.until(200 * ms)
		c.text("5")
		for i := range 5 {
			c.want("text 2")
			x.at(time.Duration(i+1) * 300 * ms)
			c.text("3")
		}
		c.want("text 2", "close 1005")
		x.at(2000 * ms)
		x.wantReason(s, ReasonPingTimeout)
	})
}

// TestPingDuringPartialFrame checks that a frame that never ends does not keep
// pings from the client, nor the session from its end.
func TestPingDuringPartialFrame(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		c := x.openWebSocket("4")
		c.raw("\x81\xfe\x10")
		c.want("text 2", "close 1005", "end")
		x.at(500 * ms)
	})
}

func TestUpgradeTimeout(t *testing.T) {
	opts := fast
	opts.PingInterval = time.Minute
	inTime(t, opts, func(x *timed) {
		url, s := x.openPolling("4")
		c := x.dial(x.url + "EIO=4&transport=websocket&sid=" + s.ID())
		x.until(100 * ms)
		c.text("2probe")
		c.want("text 3probe", "close 1005", "end")
		x.at(500 * ms)
		x.do("POST", url, "4a")
		x.wantPoll(url, "4a")
		c = x.dial(x.url + "EIO=4&transport=websocket&sid=" + s.ID())
		c.text("2probe")
		c.want("text 3probe")
		c.text("5")
		c.text("4b")
		c.want("text 4b")
		x.until(3 * time.Second)
		c.text("4c")
		c.want("text 4c")
	})
}

// TestCloseWaitsForPoll is the 30 s of PROTOCOL.md 2.5.
func TestCloseWaitsForPoll(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		url, s := x.openPolling("4")
		s.Close("bye")
		x.until(29999 * ms)
		x.wantReason(s, "")
		x.wantPoll(url, "6\x1e1")
		x.wantReason(s, "bye")

		_, s = x.openPolling("4")
		x.start = time.Now()
		s.Close("bye")
		x.until(29999 * ms)
		x.wantReason(s, "")
		x.until(30000 * ms)
		x.wantReason(s, "bye")
	})
}

// TestShutdownIsBounded closes a server whose clients do not read.
func TestShutdownIsBounded(t *testing.T) {
	inTime(t, fast, func(x *timed) {
		x.dial(x.url + "EIO=4&transport=websocket") // does not even take the open packet
		synctest.Wait()
		x.Close()
		x.at(5 * time.Second)
		x.wantReason(x.last(), ReasonShutdown)
		if got := x.do("GET", x.url+"EIO=4&transport=polling", ""); got.status != 400 {
			t.Errorf("handshake after Close = %d %q, want 400", got.status, got.body)
		}
	})
}

func TestBodyTimeout(t *testing.T) {
	inTime(t, Options{BodyTimeout: 2 * time.Second}, func(x *timed) {
		_, s := x.openPolling("4")
		conn, err := x.l.dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, pollRequest("POST", s, "Content-Length: 100\r\n")+"4")
		buf := make([]byte, 1000)
		n, _ := conn.Read(buf)
		if got := string(buf[:n]); len(got) < 12 || got[:12] != "HTTP/1.1 408" {
			t.Errorf("answer = %q, want 408", got)
		}
		x.at(2 * time.Second)
		x.wantReason(s, ReasonTransportError)
	})
}

// TestDeadlinesEnd uses a connection again long after polls and POSTs on it: no
// deadline of theirs is left.
func TestDeadlinesEnd(t *testing.T) {
	opts := Options{PingInterval: time.Second, PingTimeout: time.Second, BodyTimeout: time.Second}
	inTimeWith(t, opts, 0, func(x *timed) {
		url, s := x.openPolling("3")
		for range 3 {
			for range 5 {
				<-time.After(1500 * ms)
				if got := x.do("POST", url, "1:2"); got.body != "ok" {
					t.Fatalf("POST = %d %q, %v; want ok", got.status, got.body, got.err)
				}
			}
			x.wantPoll(url, "1:31:31:31:31:3")
		}
		x.wantReason(s, "")
	})
}
