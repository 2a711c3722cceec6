package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// lookAtAddress resolves the name and connects to what it stands for.
func lookAtAddress(ctx context.Context, v *visit) Finding {
	host, port := v.base.Hostname(), v.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[v.base.Scheme]
	}
	addresses, err := net.DefaultResolver.LookupHost(ctx, host)
	if err != nil {
		return fault(Fail, err.Error(), "nobody finds the server", "the name in the DNS, or the one given")
	}
	const most = 8 // addresses that are tried
	var bad []string
	begun := time.Now()
	for _, address := range addresses[:min(len(addresses), most)] {
		conn, err := (&net.Dialer{Timeout: v.Timeout / most}).DialContext(ctx, "tcp", net.JoinHostPort(address, port))
		if err != nil {
			bad = append(bad, err.Error())
			continue
		}
		_ = conn.Close()
	}
	took := time.Since(begun).Round(10 * time.Microsecond)
	switch tried := min(len(addresses), most); {
	case len(bad) == tried:
		return fault(Fail, strings.Join(bad, "; "), "nobody reaches the server", "whether it runs, --listen, and the firewall")
	case len(bad) > 0:
		return fault(Warn, strings.Join(bad, "; "), fmt.Sprintf("%d of %d addresses of the name do not answer, and browsers that try them first wait", len(bad), tried),
			"take them out of the DNS, or let the server listen there")
	default:
		return ok("%s, port %s, connected in %v", strings.Join(addresses[:tried], ", "), port, took)
	}
}

// lookAtHTTP asks for the page that costs nothing.
func lookAtHTTP(ctx context.Context, v *visit) Finding {
	a, err := v.get(ctx, v.once, "/healthz", nil)
	switch {
	case err != nil:
		mend := "whether this is the port of the server, or of its proxy"
		if v.base.Scheme == "https" {
			mend += ", and speaks TLS"
		}
		return fault(Fail, err.Error(), "there is no HTTP at this address", mend)
	case a.status >= 300 && a.status < 400:
		return fault(Fail, fmt.Sprintf("a redirect to %s", quote([]byte(a.header.Get("Location")))), "a WebSocket does not follow it", "give pages the address where it leads, and try that one here")
	case a.status == http.StatusBadGateway, a.status == http.StatusServiceUnavailable, a.status == http.StatusGatewayTimeout:
		return fault(Fail, a.says(), "the proxy is there, and the stream server behind it is not", "whether the server runs, and the proxy's upstream names its --listen")
	case a.status != http.StatusOK || string(a.body) != "ok\n":
		return fault(Warn, "/healthz: "+a.says(), "not everything of the server can be reached here, or it is another one", "pass on all paths, or those of docs/doctor.md")
	}
	return ok("/healthz answered in %v%s", a.took.Round(10*time.Microsecond), by(a))
}

// by names the program that answered, if it says so.
func by(a *answer) string {
	if name := quote([]byte(a.header.Get("Server"))); name != "" {
		return ", by " + name
	}
	return ""
}

// lookAtReadiness asks whether the node would take clients.
func lookAtReadiness(ctx context.Context, v *visit) Finding {
	a, err := v.get(ctx, v.once, "/readyz", nil)
	switch {
	case err != nil:
		return fault(Fail, err.Error(), "a load balancer takes the node for dead", "the log of the server")
	case a.status == http.StatusNotFound:
		return skip("/readyz is not passed on")
	case a.status != http.StatusOK:
		return fault(Fail, a.says(), "the node hears no messages, or is on its way out", "the log of the server, and --redis")
	}
	return ok("the server has its broker")
}

// lookAtVersion says what runs there.
func lookAtVersion(ctx context.Context, v *visit) Finding {
	v.info, v.infoFault = v.askInfo(ctx, nil)
	if v.info == nil {
		return skip("%s", v.infoFault)
	}
	return ok("%s, on node %s", quote([]byte(v.info.Version)), quote([]byte(v.info.Node)))
}

// tokenLeeway is how much clocks may differ until tokens are refused.
const tokenLeeway = 30 * time.Second

// lookAtClock compares the clocks: that of /api/info if it can be had, and else
// the Date of an answer, which may be a proxy's.
func lookAtClock(ctx context.Context, v *visit) Finding {
	begun := time.Now()
	var theirs time.Time
	about := "the server's clock"
	if i, _ := v.askInfo(ctx, nil); i != nil && !i.Time.IsZero() {
		theirs = i.Time
	} else {
		begun = time.Now()
		a, err := v.get(ctx, v.once, "/healthz", nil)
		if err != nil {
			return skip("%v", err)
		}
		date, err := http.ParseTime(a.header.Get("Date"))
		if err != nil {
			return skip("the answer has no Date")
		}
		theirs, about = date.Add(time.Second/2), "by the Date of an answer, to a second, the clock" // it has whole ones
	}
	ours := begun.Add(time.Since(begun) / 2)
	apart := theirs.Sub(ours).Round(time.Millisecond)
	seen := fmt.Sprintf("%s is %v ahead of this machine's", about, apart)
	if apart < 0 {
		seen = fmt.Sprintf("%s is %v behind this machine's", about, -apart)
	}
	const mend = "NTP on both machines; this one may be the wrong one"
	switch apart = apart.Abs(); {
	case apart > tokenLeeway:
		return fault(Fail, seen, fmt.Sprintf("tokens are refused, or live on, when clocks differ by more than %v", tokenLeeway), mend)
	case apart > 2*time.Second:
		return fault(Warn, seen, fmt.Sprintf("tokens bear %v; a clock that runs away gets there", tokenLeeway), mend)
	}
	return ok("%s", seen)
}
