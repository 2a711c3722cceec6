package server_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/server"
	"github.com/sb-stream/stream-server/server/identity"
)

// fromOrigin is the status of a handshake from a page of an origin.
func (n *node) fromOrigin(t *testing.T, origin string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, n.url+"/socket.io/?EIO=4&transport=polling", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Origin", origin)
	resp, err := n.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

func TestReload(t *testing.T) {
	const other = "fedcba9876543210"
	first := server.Config{
		Identity: tokens(), PublishKeys: []string{"old"}, OperatorKeys: []string{"old"}, Origins: []string{"https://old.example"},
	}
	n := start(t, first)
	later := time.Now().Add(time.Hour)
	member := n.as(t, granted(t, "7", later, "private:a"))
	member.hear("private:a", "feed", "news")
	guest := n.open(t, client.Options{})
	guest.hear("feed", "news")

	second := server.Config{
		Identity:    identity.Config{Keys: [][]byte{[]byte(other)}},
		PublishKeys: []string{"new"}, OperatorKeys: []string{"new"}, Origins: []string{"https://new.example"},
		Private: []string{"private:*", "news"}, MaxChannels: 3, MaxSessions: 3, Path: "/elsewhere/",
	}
	if err := n.Reload(second); err != nil {
		t.Fatalf("Reload = %v", err)
	}

	// What nobody may hear now is heard by nobody; the rest goes on.
	member.want("$expired", `{"channel":"news","reason":"changed"}`)
	guest.want("$expired", `{"channel":"news","reason":"changed"}`)
	guest.refused("forbidden", "news", "news")
	for tag, want := range map[string]int{"news": 0, "feed": 2, "private:a": 1} {
		if got := redisPublish(t, n.broker, "sb:"+tag, "1"); got != want {
			t.Errorf("%d hear %s after the reload, want %d", got, tag, want)
		}
	}
	for key, want := range map[string]int{"old": http.StatusUnauthorized, "new": http.StatusOK} {
		if status, _ := n.post(t, key, `{"channel":"x","data":1}`); status != want {
			t.Errorf("publishing by the %s key: %d, want %d", key, status, want)
		}
		if status, _ := n.operate(t, http.MethodPost, "/api/disconnect", `{"member":"nobody"}`, "Authorization", "Bearer "+key); (status == http.StatusUnauthorized) != (key == "old") {
			t.Errorf("an operator with the %s key: %d", key, status)
		}
	}
	for origin, want := range map[string]int{"https://old.example": http.StatusForbidden, "https://new.example": http.StatusOK} {
		if status := n.fromOrigin(t, origin); status != want {
			t.Errorf("a page of %s: %d, want %d", origin, status, want)
		}
	}
	if a := guest.call("subscribe", []string{"a", "b", "c"}); a.OK || a.Error.Code != "too_many_channels" {
		t.Errorf("more channels than the new limit: %+v", a)
	}
	if a := guest.call("identify", granted(t, "8", later)); a.OK || a.Error.Code != "bad_token" {
		t.Errorf("a token of the old key: %+v", a)
	}
	if status := n.fromOrigin(t, "https://new.example"); status != http.StatusServiceUnavailable {
		t.Errorf("a session beyond the new limit: %d, want 503", status)
	}

	// What is wrong changes nothing, and the error has all of it.
	third := second
	third.PublishKeys, third.Origins, third.MaxChannels = []string{"newest", ""}, []string{"no origin"}, -1
	err := n.Reload(third)
	for _, part := range []string{"bearer key is empty", "no origin", "channels per client"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("Reload of what is wrong = %v, want %q in it", err, part)
		}
	}
	third = second
	third.Identity.Keys = [][]byte{[]byte("short")}
	if err := n.Reload(third); err == nil {
		t.Error("Reload of a key that is too short: no error")
	}
	third = second
	third.ClusterKeys = [][]byte{[]byte("a key of the cluster")}
	if err := n.Reload(third); err == nil || !strings.Contains(err.Error(), "restart") {
		t.Errorf("Reload of a first cluster key = %v, want that it takes a restart", err)
	}
	if status, _ := n.post(t, "new", `{"channel":"x","data":1}`); status != http.StatusOK {
		t.Errorf("after reloads that failed, publishing: %d, want 200", status)
	}
}

// Each of two configurations refuses a subscription, for another reason. Halves
// of both would let it through.
func TestReloadIsWhole(t *testing.T) {
	few := server.Config{MaxChannels: 1, Private: []string{}, SubscribeRate: -1}
	closed := server.Config{MaxChannels: 2, Private: []string{"b"}, SubscribeRate: -1}
	n := start(t, few)
	b := n.open(t, client.Options{})
	end := make(chan struct{})
	var flipping sync.WaitGroup
	flipping.Go(func() { // ends with end
		for i := 0; ; i++ {
			select {
			case <-end:
				return
			default:
			}
			if err := n.Reload([]server.Config{closed, few}[i%2]); err != nil {
				t.Errorf("Reload = %v", err)
				return
			}
		}
	})
	seen := make(map[string]int)
	for range 500 {
		a := b.call("subscribe", []string{"a", "b"})
		if a.OK {
			t.Error("a subscription that both configurations refuse was let through")
			break
		}
		seen[a.Error.Code]++
	}
	close(end)
	flipping.Wait()
	if seen["forbidden"] == 0 || seen["too_many_channels"] == 0 || len(seen) != 2 {
		t.Errorf("it was refused by %v, want both reasons", seen)
	}
}

// Rates that do not change leave everybody's bucket as it is.
func TestReloadFillsNoBucket(t *testing.T) {
	config := server.Config{SubscribeRate: 1, PublishKeys: []string{"a"}}
	n := start(t, config)
	b := n.open(t, client.Options{})
	for i := 0; ; i++ {
		a := b.call("subscribe", "x")
		if !a.OK {
			break
		}
		if i > 1000 {
			t.Fatal("there is no limit")
		}
	}
	empty := time.Now() // from now on there is one more a second
	config.PublishKeys = []string{"b"}
	if err := n.Reload(config); err != nil {
		t.Fatal(err)
	}
	got, last := 0, b.call("subscribe", "x")
	for ; last.OK && got <= 1000; last = b.call("subscribe", "x") {
		got++
	}
	if most := 1 + int(time.Since(empty).Seconds()); got > most || last.OK || last.Error.Code != "rate_limited" {
		t.Errorf("after a reload of other things %d may subscribe, and then %+v; want at most %d, and rate_limited", got, last, most)
	}
	config.SubscribeRate = 100
	if err := n.Reload(config); err != nil {
		t.Fatal(err)
	}
	if a := b.call("subscribe", "x"); !a.OK {
		t.Errorf("subscribe at a higher rate = %+v, want that it works", a.Error)
	}
}
