package identity

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sb-stream/stream-server/internal/mac"
)

// A store has sessions in memory; "broken" cannot be read.
type store map[string]string

func (s store) Get(_ context.Context, key string) ([]byte, bool, error) {
	if key == "sess:broken" {
		return nil, false, errors.New("connection refused")
	}
	value, found := s[key]
	return []byte(value), found, nil
}

func TestSessionCookie(t *testing.T) {
	sessions := store{
		"sess:plain":  "7",
		"sess:json":   `{"cookie":{},"user":{"id":"7","n":12345678901234567890,"f":1.5,"b":true,"g":"guest:x"}}`,
		"sess:nobody": `{"cookie":{}}`,
		"sess:broken": "",
		"sess:php":    `user|a:1:{s:2:"id";i:7;}`,
	}
	for _, tt := range []struct {
		name, cookie, path string
		want               string
		err                error
	}{
		{"the value is the id", "sid=plain", "", "7", nil},
		{"among others", "a=1; sid=plain; b=2", "", "7", nil},
		{"quoted", `sid="plain"`, "", "7", nil},
		{"a path", "sid=json", "user.id", "7", nil},
		{"a number, all digits of it", "sid=json", "user.n", "12345678901234567890", nil},
		{"a number that is not whole", "sid=json", "user.f", "guest", nil},
		{"neither text nor number", "sid=json", "user.b", "guest", nil},
		{"an object", "sid=json", "user", "guest", nil},
		{"beyond a text", "sid=json", "user.id.x", "guest", nil},
		{"a guest's name", "sid=json", "user.g", "guest", nil},
		{"a session without a member", "sid=nobody", "user.id", "guest", nil},
		{"not JSON", "sid=php", "user.id", "guest", nil},
		{"signed by Express", "sid=s%3Ajson.c2lnbmF0dXJl%2F", "user.id", "7", nil},
		{"no session", "sid=gone", "", "guest", nil},
		{"no cookie", "other=plain", "", "guest", nil},
		{"an empty cookie", "sid=", "", "guest", nil},
		{"too long", "sid=" + strings.Repeat("x", 257), "", "guest", nil},
		{"control characters", "sid=a%0Ab", "", "guest", nil},
		{"the first of two", "sid=plain; sid=json", "", "7", nil},
		{"Redis is away", "sid=broken", "", "", ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := finder(t, Config{
				SessionCookie: "sid", SessionKey: "sess:{}", SessionMember: tt.path, Store: sessions, Recheck: time.Minute,
			})
			c := Credentials{Cookie: f.Cookies(http.Header{"Cookie": {tt.cookie}})}
			who, err := f.Find(t.Context(), c)
			got := who.Member
			if who.Guest() {
				got = "guest"
			}
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Find = %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
			if member := got == "7"; member != (who.Grant != nil && who.Grant.Again != nil) && tt.want != "12345678901234567890" {
				t.Errorf("the grant is %+v, want one that is asked for again for members only", who.Grant)
			}
		})
	}
}

// A webServer is what AuthURL is of.
func webServer(t *testing.T, handle http.HandlerFunc) *Finder {
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return finder(t, Config{AuthURL: server.URL + "/who?v=1", Recheck: time.Minute})
}

func TestAuthURL(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(w http.ResponseWriter)
		want   string
		err    error
	}{
		{"a member", text(200, `{"member":"7"}`), "7", nil},
		{"a number", text(200, `{"member":7,"channels":["private:team:*"]}`), "7", nil},
		{"nobody", text(200, `{"member":null}`), "guest", nil},
		{"nobody in PHP", text(200, `{"member":""}`), "guest", nil},
		{"a guest with a channel", text(200, `{"channels":["private:team:1"]}`), "guest", nil},
		{"401", text(401, `no`), "guest", nil},
		{"403", text(403, `no`), "guest", nil},
		{"204", text(204, ``), "guest", nil},
		{"the login page", func(w http.ResponseWriter) {
			w.Header().Set("Location", "/login")
			w.WriteHeader(302)
		}, "guest", nil},
		{"404", text(404, `no`), "", ErrUnavailable},
		{"500", text(500, `no`), "", ErrUnavailable},
		{"not JSON", text(200, `<html>`), "", ErrUnavailable},
		{"a guest's name", text(200, `{"member":"guest:x"}`), "", ErrUnavailable},
		{"a member that is none", text(200, `{"member":{"id":7}}`), "", ErrUnavailable},
		{"a channel that is none", text(200, `{"member":"7","channels":["a,b"]}`), "", ErrUnavailable},
		{"too long", text(200, `{"member":"7","x":"`+strings.Repeat("x", maxAnswer)+`"}`), "", ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := webServer(t, func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Cookie") != "app=1; other=2" || r.Method != http.MethodGet ||
					r.URL.Query().Get("v") != "1" || !slices.Equal(r.URL.Query()["channel"], []string{"private:a&b", "private:c"}) {
					t.Errorf("the web server is asked %s %s with cookies %q", r.Method, r.URL, r.Header.Get("Cookie"))
				}
				tt.answer(w)
			})
			c := Credentials{Cookie: "app=1; other=2", Channels: []string{"private:c", "private:a&b"}}
			who, err := f.Find(t.Context(), c)
			got := who.Member
			if who.Guest() {
				got = "guest"
			}
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Errorf("Find = %q, %v, want %q, %v", got, err, tt.want, tt.err)
			}
			if tt.name == "a guest with a channel" && !who.May("private:team:1") || tt.name == "a number" && !who.May("private:team:5") {
				t.Errorf("the grant is %+v", who.Grant)
			}
		})
	}
}

func text(status int, body string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// Many tabs come back at once: the web server is asked once.
func TestAuthURLOnce(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	f := webServer(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-release
		text(200, `{"member":"7"}`)(w)
	})
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if who, err := f.Find(t.Context(), Credentials{Cookie: "app=1"}); err != nil || who.Member != "7" {
				t.Errorf("Find = %+v, %v", who, err)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Find(ctx, Credentials{Cookie: "app=1"}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Find without time = %v, want ErrUnavailable", err)
	}
	close(release)
	wg.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("the web server was asked %d times, want 1", n)
	}
	if _, err := f.Find(t.Context(), Credentials{Cookie: "app=2"}); err != nil || asked.Load() != 2 {
		t.Errorf("somebody else: %v, asked %d times, want 2", err, asked.Load())
	}
	if who, err := f.Find(t.Context(), Credentials{}); err != nil || !who.Guest() || asked.Load() != 2 {
		t.Errorf("somebody without cookies: %+v, %v, want a guest, and nobody asked", who, err)
	}
}

func TestGuests(t *testing.T) {
	old, fresh := []byte(strings.Repeat("o", 16)), []byte(strings.Repeat("n", 16))
	before, both, after := finder(t, Config{GuestKeys: [][]byte{old}}), finder(t, Config{GuestKeys: [][]byte{fresh, old}}), finder(t, Config{GuestKeys: [][]byte{fresh}})
	who, err := before.Find(t.Context(), Credentials{})
	if err != nil || !who.Guest() || len(who.Member) < 28 || who.Grant != nil {
		t.Fatalf("Find of nobody = %+v, %v", who, err)
	}
	token := before.GuestToken(who.Member)
	find := func(f *Finder, token string) string {
		who, err := f.Find(t.Context(), Credentials{Guest: token})
		if err != nil {
			t.Error(err)
		}
		return who.Member
	}
	if find(before, token) != who.Member || find(both, token) != who.Member {
		t.Error("the guest is somebody else with its own key")
	}
	if find(after, token) == who.Member || find(after, both.GuestToken(who.Member)) != who.Member {
		t.Error("a token outlives its key, or one of the first key does not")
	}
	for _, forged := range []string{who.Member, who.Member + ".", who.Member + "x" + token[len(who.Member):], "7." + sign("7", mac.New(old)), ""} {
		if got := find(before, forged); got == who.Member || !IsGuest(got) {
			t.Errorf("%q is %q", forged, got)
		}
	}
	if before.GuestToken("7") != "" {
		t.Error("a member has a guest's token")
	}
}

func TestTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := [][]byte{[]byte(strings.Repeat("k", 16))}
		sessions := store{"sess:1": "7"}
		f := finder(t, Config{SessionCookie: "sid", SessionKey: "sess:{}", Store: sessions, Recheck: time.Minute, GuestKeys: keys})
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header.Set("Cookie", "sid=1; secret=x")
		ticket, ok := f.Ticket(r)
		if !ok || strings.Contains(ticket, "sid") || !f.IsTicket(ticket) {
			t.Fatalf("Ticket = %q, %v", ticket, ok)
		}
		guest := Who{Member: GuestPrefix + "x"}
		who, err := f.Identify(t.Context(), ticket, guest)
		if err != nil || who.Member != "7" || who.Grant.Again.Cookie != "sid=1" {
			t.Errorf("Identify = %+v, %v, want 7, by the one cookie that is read", who, err)
		}
		delete(sessions, "sess:1")
		if who, err = f.Identify(t.Context(), ticket, guest); err != nil || who.Member != guest.Member {
			t.Errorf("Identify of a guest without a session = %+v, %v, want the same guest", who, err)
		}
		if who, err = f.Identify(t.Context(), ticket, Who{Member: "7"}); err != nil || !who.Guest() {
			t.Errorf("Identify of a member whose session has gone = %+v, %v, want a guest", who, err)
		}
		for _, bad := range []string{ticket[:len(ticket)-1], ticket + "A", ticketPrefix, ticketPrefix + "ÿ", "x"} {
			if _, err := f.Identify(t.Context(), bad, guest); !errors.Is(err, ErrBadToken) {
				t.Errorf("Identify(%q) = %v, want ErrBadToken", bad, err)
			}
		}
		other := finder(t, Config{SessionCookie: "sid", SessionKey: "sess:{}", Store: sessions})
		if _, err := other.Identify(t.Context(), ticket, guest); !errors.Is(err, ErrBadToken) {
			t.Errorf("a ticket of another key: %v, want ErrBadToken", err)
		}
		time.Sleep(ticketTime + 2*time.Second)
		if _, err := f.Identify(t.Context(), ticket, guest); !errors.Is(err, ErrExpired) {
			t.Errorf("a ticket after its time: %v, want ErrExpired", err)
		}
		if _, ok := finder(t, Config{}).Ticket(r); ok {
			t.Error("a server that reads no cookies gave a ticket")
		}
	})
}

// A token that was sent counts before one in a cookie, that before a session, and
// that before the web server's word.
func TestOrder(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { text(200, `{"member":"web"}`)(w) }))
	t.Cleanup(server.Close)
	f := finder(t, Config{
		Keys: [][]byte{[]byte(secret)}, JWTCookie: "jwt", AuthURL: server.URL, Recheck: time.Minute,
		SessionCookie: "sid", SessionKey: "sess:{}", Store: store{"sess:1": "session"},
	})
	token := func(member string, exp int64) string {
		return signToken(jwt.SigningMethodHS256, []byte(secret), jwt.MapClaims{"sub": member, "exp": exp})
	}
	for _, tt := range []struct {
		from Credentials
		want string
	}{
		{Credentials{Token: token("sent", soon()), Cookie: "jwt=" + token("cookie", soon()) + "; sid=1"}, "sent"},
		{Credentials{Cookie: "sid=1; jwt=" + token("cookie", soon())}, "cookie"},
		{Credentials{Cookie: "sid=1; jwt=" + token("cookie", 1)}, "session"},
		{Credentials{Cookie: "sid=1; jwt=garbage"}, "session"},
		{Credentials{Cookie: "sid=2"}, "web"},
		{Credentials{}, "guest"},
	} {
		who, err := f.Find(t.Context(), tt.from)
		got := who.Member
		if who.Guest() {
			got = "guest"
		}
		if err != nil || got != tt.want {
			t.Errorf("Find(%+v) = %q, %v, want %q", tt.from, got, err, tt.want)
		}
	}
	header := func(cookie string) http.Header { return http.Header{"Cookie": {cookie}} }
	if a, b := f.Binding(header("x=1; sid=1")), f.Binding(header("sid=1; x=2")); a != b || a == "" {
		t.Errorf("bindings of one session = %q, %q", a, b)
	}
	if f.Binding(header("sid=1")) == f.Binding(header("sid=2")) || f.Binding(header("x=1")) != "" {
		t.Error("bindings do not follow the session")
	}
}
