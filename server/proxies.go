package server

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// trustedProxies are those whose X-Forwarded-For and X-Forwarded-Proto are
// believed. Whoever else sends these headers says them of himself.
type trustedProxies []netip.Prefix

// parseProxies reads addresses, such as "10.0.0.5" or "::1", and networks, such
// as "10.0.0.0/8".
func parseProxies(list []string) (trustedProxies, error) {
	proxies := make(trustedProxies, 0, len(list))
	for _, text := range list {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			addr, err = netip.ParseAddr(text)
			if addr = addr.Unmap(); addr.Zone() == "" {
				prefix = netip.PrefixFrom(addr, addr.BitLen())
			}
		}
		switch {
		case err != nil, !prefix.IsValid(), prefix.Addr().Is4In6():
			return nil, fmt.Errorf("server: trusted proxy %q is no address and no network such as 10.0.0.0/8", text)
		case prefix.Bits() == 0:
			return nil, fmt.Errorf("server: trusted proxy %q is everybody: any client could claim any address", text)
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

func (p trustedProxies) contain(addr netip.Addr) bool {
	for _, prefix := range p {
		if prefix.Contains(addr) {
			return true
		}
	}
	return false
}

// client is whom a request comes from, whose connection comes from remote: each
// proxy adds to the right of X-Forwarded-For who came to it, so that the
// right-most address that is no trusted proxy's counts, and nothing left of it.
// What is no address ends the search: then it is the proxy that said so. The
// Addr is invalid if remote is none of IP.
func (p trustedProxies) client(remote string, header http.Header) netip.Addr {
	addr := parseHost(remote)
	lines := header["X-Forwarded-For"]
	for i := len(lines) - 1; i >= 0; i-- {
		for line, more := lines[i], true; more; {
			if !p.contain(addr) {
				return addr
			}
			comma := strings.LastIndexByte(line, ',')
			next := parseHost(strings.TrimSpace(line[comma+1:]))
			if !next.IsValid() {
				return addr
			}
			addr = next
			if more = comma >= 0; more {
				line = line[:comma]
			}
		}
	}
	return addr
}

// parseHost reads an address with or without a port, and with or without the
// brackets of IPv6. One IPv4 address is one Addr, however it is written, and a
// zone is dropped: limits and hashes are of addresses.
func parseHost(text string) netip.Addr {
	if port, err := netip.ParseAddrPort(text); err == nil {
		return port.Addr().Unmap().WithZone("")
	}
	if inner, ok := strings.CutPrefix(text, "["); ok {
		text, ok = strings.CutSuffix(inner, "]")
		if !ok || !strings.Contains(text, ":") {
			return netip.Addr{}
		}
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

// address is whom r comes from: the address of the connection or, when that is
// a trusted proxy's, the one that the proxy tells. It is not valid for
// connections without IP.
func (s *Server) address(r *http.Request) netip.Addr {
	return s.proxies.client(r.RemoteAddr, r.Header)
}

// secure reports whether r came over TLS, to us, another node or a trusted
// proxy. What the nearest proxy says stands last.
func (s *Server) secure(r *http.Request) bool {
	if e := envelopeOf(r); e != nil {
		return e.secure
	}
	if r.TLS != nil {
		return true
	}
	lines := r.Header["X-Forwarded-Proto"]
	if len(lines) == 0 || !s.proxies.contain(parseHost(r.RemoteAddr)) {
		return false
	}
	last := lines[len(lines)-1]
	return strings.EqualFold(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:]), "https")
}

// forwarding are the headers by which a proxy shows.
var forwarding = []string{
	"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip",
}

// forwarded reports whether a proxy shows.
func forwarded(r *http.Request) bool {
	for _, name := range forwarding {
		if r.Header[name] != nil {
			return true
		}
	}
	return false
}

// sameOrigin refuses changes that a page of another origin asks for.
var sameOrigin = http.NewCrossOriginProtection()

// local reports whether the request was made on this machine, by somebody who
// needs no key for that. What a proxy on this machine passes on was not, trusted
// or not; nor was what a foreign page makes a browser here ask for: such a page
// may change nothing, and read nothing under a name that it has pointed at this
// machine (DNS rebinding).
func (s *Server) local(r *http.Request) bool {
	return !forwarded(r) && s.address(r).IsLoopback() && isLoopbackName(r.Host) && sameOrigin.Check(r) == nil
}

// isLoopbackName reports whether host, with or without a port, cannot be
// pointed elsewhere: localhost, or an address of loopback.
func isLoopbackName(host string) bool {
	if addr := parseHost(host); addr.IsValid() {
		return addr.IsLoopback()
	}
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.ToLower(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
