package hostile

import (
	"strings"
	"sync"
	"testing"

	"github.com/sb-stream/stream-server/server"
)

// What begins a packet of msgpack: [uid, {type: 2, nsp: "/", data: …
const (
	begin = "\x93\xa3uid\x83\xa4type\x02\xa3nsp\xa1/\xa4data"
	good  = begin + "\x92\xa4goal\x01\x80" // …["goal", 1]}, {}]

	gap = `42["$gap",{"channel":"hostile","reason":"unreadable"}]`
)

// TestDialects publishes what is no message of Socket.IO's or Laravel's, under
// the names that theirs come on. Those who hear the channel get what is wanted,
// which is that they have missed something where it cannot be read, and the next
// message all the same.
func TestDialects(t *testing.T) {
	n := start(t, "dialects", server.Config{})
	const room, all, laravel = "socket.io#/#hostile#", "socket.io#/#", "laravel:hostile"
	const large = 1 << 20
	settle(t, 1)
	before := measure()
	p, _, err := n.join("")
	if err != nil {
		t.Fatal(err)
	}
	leave := sync.OnceFunc(p.close)
	defer leave()
	p.text(`420["subscribe","hostile"]`)
	if _, err := p.expect(`430[{"ok":true`); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, to, data, want string }{
		{"good", room, good, `{"event":"goal","data":1}`},
		{"nothing", room, "", gap},
		{"a text", room, `{"event":"x"}`, gap},
		{"the end is missing", room, good[:len(good)-3], gap},
		{"more after the end", room, good + "\x00", gap},
		{"4 GiB of a string are announced", room, begin + "\x92\xdb\xff\xff\xff\xff", gap},
		{"4 GiB of binary are announced", room, begin + "\x92\xa1e\xc6\xff\xff\xff\xff", gap},
		{"4 G of a list are announced", room, begin + "\xdd\xff\xff\xff\xff\xa1e", gap},
		{"4 G of an object are announced", room, begin + "\x92\xa1e\xdf\xff\xff\xff\xff\xa1a\x01", gap},
		{"4 G of rooms are announced", all, begin + "\x91\xa1e\x81\xa5rooms\xdd\xff\xff\xff\xff\xa1a", ""},
		{"a long extension is announced", room, begin + "\x92\xa1e\xc9\xff\xff\xff\xff\x05", gap},
		{"a million lists in each other", room, begin + "\x92\xa1e" + strings.Repeat("\x91", large-100) + "\x80", gap},
		{"2,000 rooms", all, begin + "\x91\xa1e\x81\xa5rooms\xdc\x07\xd0" + strings.Repeat("\xa7hostile", 2000), ""},
		{"eleven attachments", room, begin + "\x9c\xa1e" + strings.Repeat("\xc4\x01x", 11) + "\x80", gap},
		{"what becomes too large", room, begin + "\x92\xa1e\xdd\x00\x08\x00\x00" + strings.Repeat("\xc0", 1<<19) + "\x80", gap},
		{"a packet that disconnects", room, strings.Replace(good, "\xa4type\x02", "\xa4type\x01", 1), gap},
		{"another namespace", room, strings.Replace(good, "\xa1/", "\xa6/admin", 1), gap},
		{"an event that is an object", room, begin + "\x91\x80\x80", gap},
		{"an event that we keep", room, begin + "\x92\xa8$session\x01\x80", `{"event":"$session","data":1}`},
		{"an event that Socket.IO keeps", room, begin + "\x92\xaadisconnect\x01\x80", `{"event":"disconnect","data":1}`},
		{"no UTF-8", room, begin + "\x92\xa1\xff\xa1\xfe\x80", "{\"event\":\"\uFFFD\",\"data\":\"\uFFFD\"}"},
		{"what is no number of JSON's", room, begin + "\x92\xa1e\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00\x80", `{"event":"e","data":null}`},
		{"a placeholder that is none", room, begin + "\x92\xa1e\x82\xac_placeholder\xc3\xa3num\x07\x80", `{"event":"e","data":{"_placeholder":true,"num":7}}`},
		{"the same key twice", room, "\x93\xa3uid\x84\xa4type\x02\xa3nsp\xa1/\xa4data\x91\xa1a\xa4data\x91\xa1b\x80", `{"event":"b"}`},
		{"a node's own channel as a room", all, begin + "\x92\xa1e\x01\x81\xa5rooms\x91\xa5$node", ""},
		{"a room of another spelling", "socket.io#/#hostile", good, ""},
		{"Laravel's", laravel, `{"event":"goal","data":{"n":1},"socket":null}`, `{"event":"goal","data":{"n":1},"socket":null}`},
		{"a text of Laravel's", laravel, "\x00\xff", `"\u0000\ufffd"`},
		{"an event of Laravel's that is a number", laravel, `{"event":7,"data":1}`, `{"event":7,"data":1}`},
		{"an event of Laravel's that we keep", laravel, `{"event":"$gap","data":1}`, `{"event":"$gap","data":1}`},
		{"a private channel of Laravel's", "laravel:private-hostile", `{"event":"goal","data":1}`, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n.canary.mark()
			if err := n.publishTo(tt.to, []byte(tt.data)); err != nil {
				t.Fatal(err)
			}
			if err := n.publish("hostile", []byte(`"end"`)); err != nil {
				t.Fatal(err)
			}
			_, err := p.expect(`42["hostile","end",`)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.seen, " ")
			p.seen = nil
			if at := strings.LastIndex(got, `,"`); strings.HasPrefix(got, `42["hostile",`) {
				got = got[len(`42["hostile",`):at] // without the position
			}
			if got != tt.want {
				t.Errorf("the client got %.200q, want %q", got, tt.want)
			}
			n.checkCanary(t)
		})
	}
	t.Run("who is here", func(t *testing.T) { n.asksWhoIsHere(t, p) })
	n.log.check(t, n.name)
	leave()
	eventually(t, "the session of the canary is alone", func() bool { return n.metric(t, "stream_sessions") == 1 })
	before.check(t)
}

// asksWhoIsHere asks for presence in ways that are none.
func (n *target) asksWhoIsHere(t *testing.T, p *peer) {
	const want = `430[{"ok":true,"channels":{"hostile":{`
	long := `["` + strings.Repeat(`a","`, 5000) + `"]`
	for _, options := range []string{
		`{"presence":"yes"}`,
		`{"presence":1e999}`,
		`{"presence":{"hostile":true}}`,
		`{"presence":[["hostile"]]}`,
		`{"presence":["member:8","private:a","$node"]}`,
		`{"presence":` + long + `}`,
		`{"events":"yes"}`,
	} {
		p.text(`420["subscribe","hostile",` + options + `]`)
		got, err := p.expect("430[")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got, want) || strings.Contains(got, "members") {
			t.Errorf("%.60s came to %.200s, want %s", options, got, want)
		}
		n.checkCanary(t)
	}
	p.seen = nil
}
