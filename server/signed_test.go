package server

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSignedRequest(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	a := newSeal([][]byte{clusterKey}, clock)
	b := newSeal([][]byte{otherKey, clusterKey}, clock) // in the middle of a rotation
	stranger := newSeal([][]byte{otherKey}, clock)
	const path = "/socket.io/?EIO=4&sid=x"
	// arrives is a request of node a to node b as it arrives.
	arrives := func(by *seal, change func(*http.Request)) *http.Request {
		r, err := http.NewRequest(http.MethodPost, "http://10.0.0.5:8080"+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(headerClient, "203.0.113.5:0 https")
		by.signRequest(r, "a", "b", []byte("body"))
		r.RequestURI = path
		if change != nil {
			change(r)
		}
		return r
	}
	field := func(i int, value string) func(*http.Request) {
		return func(r *http.Request) {
			fields := strings.Split(r.Header.Get(headerNode), " ")
			fields[i] = value
			r.Header.Set(headerNode, strings.Join(fields, " "))
		}
	}
	e, err := b.openRequest(arrives(a, nil), "b")
	if err != nil || e.from != "a" || e.client != "203.0.113.5:0" || !e.secure || e.body != hashed([]byte("body")) || len(e.nonce) != 26 {
		t.Fatalf("openRequest = %+v, %v, want what was signed", e, err)
	}
	if one, two := arrives(a, nil), arrives(a, nil); one.Header.Get(headerNode) == two.Header.Get(headerNode) {
		t.Error("two requests have the same signature")
	}
	for _, tt := range []struct {
		name   string
		by     *seal
		change func(*http.Request)
		to     string
		want   error
	}{
		{"to another node", a, nil, "c", errElsewhere},
		{"to another node, altered", a, field(1, "c"), "c", errForged},
		{"from another", a, field(0, "c"), "b", errForged},
		{"at another time", a, field(2, "1"), "b", errForged},
		{"with another nonce", a, field(3, "X"), "b", errForged},
		{"with another body", a, field(4, hashed(nil)), "b", errForged},
		{"with another signature", a, field(5, "AAAA"), "b", errForged},
		{"with none", a, field(5, ""), "b", errForged},
		{"with more", a, field(5, "x y"), "b", errForged},
		{"by another method", a, func(r *http.Request) { r.Method = http.MethodGet }, "b", errForged},
		{"for another path", a, func(r *http.Request) { r.RequestURI = "/node/x" }, "b", errForged},
		{"with another query", a, func(r *http.Request) { r.RequestURI += "&y=1" }, "b", errForged},
		{"for another client", a, func(r *http.Request) { r.Header.Set(headerClient, "127.0.0.1:0 https") }, "b", errForged},
		{"for nobody", a, func(r *http.Request) { r.Header.Del(headerClient) }, "b", errForged},
		{"for two clients", a, func(r *http.Request) { r.Header.Add(headerClient, "127.0.0.1:0 https") }, "b", errForged},
		{"signed twice", a, func(r *http.Request) { r.Header.Add(headerNode, r.Header.Get(headerNode)) }, "b", errForged},
		{"not signed", a, func(r *http.Request) { r.Header.Del(headerNode) }, "b", errForged},
		{"by a stranger", newSeal([][]byte{[]byte("another key of 16")}, clock), nil, "b", errForged},
		{"late", newSeal([][]byte{clusterKey}, func() time.Time { return now.Add(-freshness - time.Millisecond) }), nil, "b", errStale},
		{"early", newSeal([][]byte{clusterKey}, func() time.Time { return now.Add(freshness + time.Millisecond) }), nil, "b", errStale},
		{"in time", newSeal([][]byte{clusterKey}, func() time.Time { return now.Add(-freshness + time.Millisecond) }), nil, "b", nil},
		{"by the new key", stranger, nil, "b", nil},
	} {
		if e, err := b.openRequest(arrives(tt.by, tt.change), tt.to); !errors.Is(err, tt.want) || (err == nil) != (e != nil) {
			t.Errorf("a request %s = %+v, %v, want %v", tt.name, e, err, tt.want)
		}
	}
	if _, err := a.openRequest(arrives(stranger, nil), "b"); !errors.Is(err, errForged) {
		t.Errorf("a request by a key that this node does not have = %v, want %v", err, errForged)
	}
	// A signature is good for one thing.
	address := "http://10.0.0.5:8080"
	if got := b.openLease("a", a.lease("a", address)); got != address {
		t.Errorf("the lease has %q, want %q", got, address)
	}
	for _, text := range []string{
		"", address, " " + address, a.lease("b", address), a.lease("a", address) + "0",
		a.mac(signsAnswer, []byte("a\n"+address)) + " " + address,
	} {
		if got := b.openLease("a", text); got != "" {
			t.Errorf("a lease %q is believed", text)
		}
	}
}

func TestNodeAddress(t *testing.T) {
	for address, good := range map[string]bool{
		"http://10.0.0.5:8080": true, "https://node-1.example": true, "http://[::1]:80": true,
		"": false, "10.0.0.5:8080": false, "http://": false, "ftp://x": false, "http://x/": false, "http://x/path": false,
		"http://user@x": false, "http://x?y": false, "http://x#y": false, "http://:80": false, "HTTP://x": false,
	} {
		if err := checkNodeAddress(address); (err == nil) != good {
			t.Errorf("checkNodeAddress(%q) = %v", address, err)
		}
	}
}
