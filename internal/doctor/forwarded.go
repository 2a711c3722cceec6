package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
)

// outside is an address of a network that is for documents (RFC 5737), which
// nobody has.
const outside = "198.51.100.77"

// lookAtForwarded asks the server whom it takes us for.
func lookAtForwarded(ctx context.Context, v *visit) Finding {
	if v.info == nil {
		return skip("%s", v.infoFault)
	}
	seen := v.info.Client
	if !seen.Proxied {
		return ok("no proxy shows; the server sees clients by their own address, here %s", quote([]byte(seen.Address)))
	}
	lied, text := v.askInfo(ctx, http.Header{"X-Forwarded-For": {outside}})
	if lied == nil {
		return skip("%s", text)
	}
	here, err := netip.ParseAddr(seen.Address)
	switch {
	case lied.Client.Address == outside && (err != nil || !here.IsLoopback()): // on the machine of a trusted proxy, clients are trusted as it is
		return fault(Fail, "a made up X-Forwarded-For is believed", "anybody has any address, whatever --max-per-address and the log say",
			"--trusted-proxies names the proxies and no clients; the proxy adds to the header: nginx: proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;")
	case lied.Client.Address == outside:
		return ok("the proxy's X-Forwarded-For is believed, and, on this machine, so is ours")
	case v.base.Scheme == "https" && !seen.Secure:
		return fault(Warn, fmt.Sprintf("the proxy passes on plain HTTP from %s, and the server does not believe that it was https", quote([]byte(seen.Address))),
			"--hsts says nothing, and limits of addresses count the proxy's", "--trusted-proxies with the proxy's address; nginx: proxy_set_header X-Forwarded-Proto $scheme;")
	}
	mine := localAddress(ctx, v.base)
	if mine.IsValid() && here.IsValid() && mine != here && !mine.IsPrivate() {
		return fault(Warn, fmt.Sprintf("the server takes us for %s, and we are %s", here, mine), "limits of addresses and the log count the proxy for all its clients",
			"--trusted-proxies "+here.String()+", if that is the proxy")
	}
	return ok("a proxy shows, and the server takes us for %s", quote([]byte(seen.Address)))
}

// localAddress is where a connection to u comes from.
func localAddress(ctx context.Context, u *url.URL) netip.Addr {
	port := u.Port()
	if port == "" {
		port = u.Scheme // a name that stands for a number
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return netip.Addr{}
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
}
