package server_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
)

// A whyAnswer is what GET /api/why says.
type whyAnswer struct {
	Channel string
	On      []struct {
		Node     string
		Live     bool
		Sessions int
		Known    int
		Earlier  bool
		Messages []struct {
			At                                        time.Time
			Bytes                                     int
			By                                        string
			Sessions, Written, Waited, Dropped, Ended int
			Who                                       []struct {
				Session, Why, Reason string
				Got                  bool
			}
		}
		Events []struct{ Event, Session, Reason string }
	}
	Error *struct{ Code string }
}

func (n *node) why(t *testing.T, tag, who string) whyAnswer {
	t.Helper()
	status, text := n.operate(t, "GET", "/api/why/"+url.PathEscape(tag)+"?limit=100&who="+url.QueryEscape(who), "")
	var a whyAnswer
	if err := json.Unmarshal([]byte(text), &a); err != nil || status != 200 && a.Error == nil {
		t.Fatalf("GET /api/why = %d %s", status, text)
	}
	return a
}

// words are the verdicts on one who, of all messages, as one text.
func (a whyAnswer) words(t *testing.T) string {
	t.Helper()
	if len(a.On) != 1 {
		t.Fatalf("%d nodes answered, want 1", len(a.On))
	}
	var list []string
	for _, m := range a.On[0].Messages {
		var each []string
		for _, v := range m.Who {
			word := v.Why
			if v.Reason != "" {
				word += ":" + v.Reason
			}
			each = append(each, word)
		}
		list = append(list, strings.Join(each, "+"))
	}
	return strings.Join(list, " ")
}

// Each reason for which somebody does not get a message is told from the others.
func TestWhy(t *testing.T) {
	n := startLone(t)
	witness := n.open(t, client.Options{})
	witness.hear("x")
	say := func() {
		t.Helper()
		redisPublish(t, n.broker, "sb:x", "1")
		witness.want("x", "1")
	}
	settle := func(who, want string) {
		t.Helper()
		got := ""
		defer func() {
			if t.Failed() {
				t.Logf("it is %s", got)
			}
		}()
		eventually(t, who+" is "+want, func() bool {
			got = n.why(t, "x", who).words(t)
			return got == want
		})
	}
	say()
	b := n.open(t, as(t, "m/7"))
	b.hear("y")
	say()
	b.hear("x")
	say()
	b.want("x", "1")
	if _, err := b.Call(t.Context(), "unsubscribe", "x"); err != nil {
		t.Fatal(err)
	}
	say()
	b.hear("x")
	n.wantAnswer(t, "POST", "/api/unsubscribe", fmt.Sprintf(`{"session":%q,"channel":"x"}`, b.session.ID), 200, `{"sessions":1,`+lone+`}`)
	say()
	want := "not_connected not_subscribed sent not_subscribed revoked:operator"
	settle("m/7", want)
	settle(b.session.ID, want)
	id := b.session.ID
	b.Close()
	eventually(t, "it has left", func() bool { return n.ends(t, id) == 1 })
	say()
	settle(id, want+" ended:client namespace disconnect")
	settle("m/7", want+" ended:client namespace disconnect")

	a := n.why(t, "x", "")
	if m := a.On[0].Messages; len(m) != 6 || m[0].Sessions != 1 || m[2].Sessions != 2 || m[2].Written != 2 || m[0].By != "publish" || m[0].Bytes != 1 {
		t.Errorf("messages are %+v", m)
	}
	for _, who := range []string{"nobody", "m/8"} {
		if a := n.why(t, "x", who); a.Error == nil || a.Error.Code != "not_found" {
			t.Errorf("why of %s = %+v, want not_found", who, a)
		}
	}
	if a := n.why(t, "silence", ""); a.Error == nil {
		t.Errorf("why of a channel that nobody hears = %+v, want not_found", a)
	}
}

// Whoever may not hear a channel finds out that this is why.
func TestWhyRefused(t *testing.T) {
	n := startLone(t)
	member := n.open(t, client.Options{Auth: map[string]any{"token": granted(t, "m", time.Now().Add(time.Hour), "private:p")}})
	member.hear("private:p")
	guest := n.open(t, client.Options{})
	if _, err := guest.Call(t.Context(), "subscribe", "private:p"); err != nil {
		t.Fatal(err)
	}
	redisPublish(t, n.broker, "sb:private:p", "1")
	member.want("private:p", "1")
	eventually(t, "it is refused", func() bool {
		return n.why(t, "private:p", guest.session.ID).words(t) == "refused:forbidden"
	})
}

// A client that does not read is seen to wait, and to be closed for it; and one
// that comes back gets what it missed.
func TestWhySlow(t *testing.T) {
	n := start(t, server.Config{ClientQueue: 64 << 10, Redis: server.Redis{Embedded: true}, Linger: time.Minute})
	c := &stock{t: t, n: n}
	c.connect()
	// What is on its way to it would grow to some megabytes.
	if err := c.socket.Conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	c.subscribe("x", "")
	id := c.id
	n.publish(t, "x", "1", 1)
	c.next()
	message := `"` + strings.Repeat("x", 30<<10) + `"`
	eventually(t, "it is closed as slow", func() bool {
		for range 3 { // some of them come while it is being closed
			n.Message("x", []byte(message))
		}
		return n.Channels().Clients("x") == 0
	})
	words := n.why(t, "x", id).words(t)
	if !regexp.MustCompile(`^sent (sent |waited )*waited slow( ended:slow client)*$`).MatchString(words) {
		t.Errorf("verdicts are %s, want sent, waited, slow, ended", words)
	}
	eventually(t, "the next is to nobody", func() bool {
		n.Message("x", []byte("2"))
		return strings.HasSuffix(n.why(t, "x", id).words(t), "ended:slow client")
	})
}
