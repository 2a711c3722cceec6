// Package transport says which transports a server offers, and to whom. A
// [Transport] names one and judges requests for it; the packages below this
// one have the two that there are. It moves no bytes: package engineio does.
package transport

import (
	"net/http"
	"net/url"
	"strings"
)

// A Transport is one way for clients to reach a server. Its methods may be
// called from any goroutine.
type Transport interface {
	// Name is the query's word for it: "polling" or "websocket".
	Name() string

	// Allows reports whether the page that made the request may use it.
	Allows(r *http.Request) bool
}

// SameOrigin reports whether no page of another host and port made the
// request. One without Origin comes from no page or from its own, but for the
// script tag of JSONP, which browsers of today tell of by Sec-Fetch-Site. Those
// that do not are let in.
func SameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		site := r.Header.Get("Sec-Fetch-Site")
		return site != "cross-site" && site != "same-site"
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
