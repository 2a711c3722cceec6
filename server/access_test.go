package server_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

const jwtKey = "0123456789abcdef"

func tokens() identity.Config { return identity.Config{Keys: [][]byte{[]byte(jwtKey)}} }

func granted(t *testing.T, member string, exp time.Time, channels ...string) string {
	t.Helper()
	return token(t, jwtKey, jwt.MapClaims{"sub": member, "exp": exp.Unix(), "channels": channels})
}

// as opens a connection with a token.
func (n *node) as(t *testing.T, token string) *browser {
	t.Helper()
	return n.open(t, client.Options{Auth: map[string]any{"token": token}})
}

// refused subscribes, and fails the test unless that is refused for the channel.
func (b *browser) refused(code, faulty string, tags ...string) {
	b.t.Helper()
	a := b.call("subscribe", tags)
	if a.OK || a.Error.Code != code || a.Error.Channel != faulty {
		b.t.Fatalf("subscribe %v = %+v, %+v, want %s for %q", tags, a, a.Error, code, faulty)
	}
}

func TestPrivateChannels(t *testing.T) {
	n := start(t, server.Config{Identity: tokens(), Private: []string{"private:*", "vip"}, Public: []string{"feed:*", "member:*"}})
	later := time.Now().Add(time.Hour)
	guest := n.open(t, client.Options{})
	member := n.as(t, granted(t, "7", later, "private:team", "private:room:*", "other", "*"))
	narrow := n.as(t, granted(t, "8", later, "private:team", "vip"))

	guest.hear("feed:a", "feed:private:a")
	guest.refused("forbidden", "private:team", "feed:b", "private:team")
	guest.refused("forbidden", "vip", "vip")
	guest.refused("forbidden", "other", "other")         // neither public nor private
	guest.refused("forbidden", "Private:x", "Private:x") // nor is this, and it is no other way to write private:x
	guest.refused("forbidden", "member:7", "member:7")
	guest.refused("forbidden", "member:", "member:")
	guest.hear("member:" + guest.session.Member)

	member.hear("private:team", "private:room:1", "other", "vip", "member:7")
	member.refused("forbidden", "member:8", "member:8") // whatever else was granted

	narrow.hear("private:team", "vip", "member:8")
	narrow.refused("forbidden", "private:room:1", "private:room:1")
	narrow.refused("forbidden", "other", "other")

	if got := redisPublish(t, n.broker, "sb:feed:b", "1"); got != 0 {
		t.Errorf("%d hear a channel that was asked for with a forbidden one, want none", got)
	}
	if got := redisPublish(t, n.broker, "sb:private:team", "1"); got != 2 {
		t.Errorf("%d hear private:team, want 2", got)
	}
	member.want("private:team", "1")
	narrow.want("private:team", "1")
}

// A renewed token takes and gives at once; what was public stays.
func TestRenewal(t *testing.T) {
	n := start(t, server.Config{Identity: tokens()})
	later := time.Now().Add(time.Hour)
	b := n.as(t, granted(t, "7", later, "private:a", "private:b"))
	b.hear("feed", "member:7", "private:a", "private:b")

	if a := b.call("identify", granted(t, "7", later, "private:b", "private:c")); !a.OK {
		t.Fatalf("identify = %+v", a.Error)
	}
	b.want("$session", fmt.Sprintf(`{"id":%q,"member":"7"}`, b.session.ID))
	b.want("$expired", `{"channel":"private:a","reason":"changed"}`)
	b.hear("private:c")
	b.refused("forbidden", "private:a", "private:a")

	if a := b.call("identify", granted(t, "8", later)); !a.OK {
		t.Fatalf("identify = %+v", a.Error)
	}
	b.want("$session", fmt.Sprintf(`{"id":%q,"member":"8"}`, b.session.ID))
	var lost []string
	for range 3 {
		e := b.next()
		var gone struct{ Channel, Reason string }
		if e.Name != "$expired" || json.Unmarshal(e.Args[0], &gone) != nil || gone.Reason != "changed" {
			t.Fatalf("got %s %s, want $expired", e.Name, e.Args)
		}
		lost = append(lost, gone.Channel)
	}
	slices.Sort(lost)
	if want := []string{"member:7", "private:b", "private:c"}; !slices.Equal(lost, want) {
		t.Errorf("another member lost %v, want %v", lost, want)
	}
	for _, tag := range []string{"member:7", "private:a", "private:b", "private:c"} {
		if got := redisPublish(t, n.broker, "sb:"+tag, "1"); got != 0 {
			t.Errorf("%d hear %s, want none", got, tag)
		}
	}
	redisPublish(t, n.broker, "sb:feed", "2")
	b.want("feed", "2")
	if a := b.call("identify", "garbage"); a.OK || a.Error.Code != "bad_token" {
		t.Errorf("identify with garbage = %+v, want bad_token", a)
	}
	b.hear("member:8") // nothing has changed
}

// A token that expires while connected ends what is private, after the time of
// grace, and nothing else.
func TestExpiry(t *testing.T) {
	n := start(t, server.Config{Identity: tokens(), TokenGrace: 2 * time.Second})
	exp := time.Now().Add(2 * time.Second)
	ends := n.as(t, granted(t, "7", exp, "private:a"))
	renews := n.as(t, granted(t, "7", exp, "private:a"))
	for _, b := range []*browser{ends, renews} {
		b.hear("feed", "private:a", "member:7")
	}
	told := fmt.Sprintf(`{"id":%q,"member":"7","expired":true}`, ends.session.ID)
	ends.want("$session", told)
	renews.want("$session", fmt.Sprintf(`{"id":%q,"member":"7","expired":true}`, renews.session.ID))
	if over := time.Since(exp); over < -time.Second || over > 2*time.Second {
		t.Errorf("it was told %v after the end of the token", over)
	}
	if got := redisPublish(t, n.broker, "sb:private:a", "1"); got != 2 {
		t.Errorf("%d hear it in the time of grace, want 2", got)
	}
	ends.want("private:a", "1")
	renews.want("private:a", "1")
	if a := renews.call("identify", granted(t, "7", exp.Add(time.Hour), "private:a")); !a.OK {
		t.Fatalf("identify = %+v", a.Error)
	}
	renews.want("$session", fmt.Sprintf(`{"id":%q,"member":"7"}`, renews.session.ID))

	ends.want("$session", told)
	ends.want("$expired", `{"channel":"member:7","reason":"expired"}`)
	ends.want("$expired", `{"channel":"private:a","reason":"expired"}`)
	if over := time.Since(exp); over < time.Second || over > 4*time.Second {
		t.Errorf("it ended %v after the end of the token, want 2 s", over)
	}
	ends.refused("expired", "private:a", "private:a")
	ends.refused("expired", "member:7", "member:7")
	if got := redisPublish(t, n.broker, "sb:private:a", "2"); got != 1 {
		t.Errorf("%d hear it after the end, want the one with a new token", got)
	}
	renews.want("private:a", "2")
	redisPublish(t, n.broker, "sb:feed", "3")
	ends.want("feed", "3") // the connection stays
	if a := ends.call("identify", granted(t, "7", exp.Add(time.Hour), "private:a")); !a.OK {
		t.Fatalf("identify = %+v", a.Error)
	}
	ends.want("$session", fmt.Sprintf(`{"id":%q,"member":"7"}`, ends.session.ID))
	ends.hear("private:a", "member:7")
}
