package doctor

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// lookAtCORS connects as pages do: those of the address itself, and those of
// the origins that were given.
func lookAtCORS(ctx context.Context, v *visit) Finding {
	own := v.base.Scheme + "://" + v.base.Host
	worst := ok("%s may connect, with cookies", strings.Join(append([]string{own}, v.Origins...), " and "))
	for _, origin := range append([]string{own}, v.Origins...) {
		f := v.lookAtOrigin(ctx, origin, origin == own)
		if f.Status == Fail {
			return f
		}
		if f.Status != OK {
			worst = f
		}
	}
	return worst
}

func (v *visit) lookAtOrigin(ctx context.Context, origin string, own bool) Finding {
	mend := "--origins " + origin
	if own {
		mend = "nginx: proxy_set_header Host $http_host; so that the server knows the name that pages use; or " + mend
	}
	const means = "browsers do not let this page connect"
	p, a, err := v.open(ctx, v.once, http.Header{"Origin": {origin}})
	if a == nil {
		return fault(Fail, err.Error(), means, "the log of the server")
	}
	if p != nil {
		defer p.end(ctx)
	}
	allowed, cookies := a.header["Access-Control-Allow-Origin"], a.header.Get("Access-Control-Allow-Credentials")
	switch {
	case a.status == http.StatusForbidden:
		return fault(Fail, origin+" was refused: "+a.says(), means, mend)
	case err != nil:
		return fault(Fail, origin+": "+err.Error(), means, "the log of the server")
	case len(allowed) > 1:
		return fault(Fail, fmt.Sprintf("%s: %d headers Access-Control-Allow-Origin", origin, len(allowed)), means, "the server sets it: take it out of the proxy (nginx: add_header)")
	case len(allowed) == 0:
		return fault(Fail, origin+": no Access-Control-Allow-Origin", means, "the server sets it: the proxy is to leave it (nginx: proxy_hide_header)")
	case allowed[0] == "*" && cookies == "true":
		return fault(Fail, origin+": * with credentials", "browsers refuse that", "the server sets neither so: take it out of the proxy")
	case allowed[0] == "*":
		return fault(Warn, origin+": * without credentials", "any page may connect, and none is known by its cookie", "name the origins: "+mend)
	case allowed[0] != origin:
		return fault(Fail, fmt.Sprintf("%s: allowed is %s", origin, quote([]byte(allowed[0]))), means, "the server sets it: take it out of the proxy")
	case cookies != "true":
		return fault(Warn, origin+": no Access-Control-Allow-Credentials", "none is known by its cookie", "the server sets it: the proxy is to leave it")
	}
	question := http.Header{"Origin": {origin}, "Access-Control-Request-Method": {http.MethodPost}, "Access-Control-Request-Headers": {"content-type"}}
	a, err = v.ask(ctx, v.once, http.MethodOptions, v.base.String()+v.Path+"?EIO=4&transport=polling", question, nil)
	if err != nil {
		return fault(Fail, origin+": OPTIONS: "+err.Error(), means, "pass OPTIONS on to the server")
	}
	if a.status/100 != 2 || a.header.Get("Access-Control-Allow-Origin") != origin {
		return fault(Fail, origin+": OPTIONS: "+a.says(), means, "pass OPTIONS on to the server")
	}
	if !v.well("websocket") {
		return ok("%s", origin)
	}
	a, err = v.upgrade(ctx, http.Header{"Origin": {origin}})
	if err != nil {
		return fault(Fail, origin+": WebSocket: "+err.Error(), means, mend)
	}
	if a.status != http.StatusSwitchingProtocols {
		return fault(Fail, origin+": WebSocket: "+a.says(), means, mend)
	}
	return ok("%s", origin)
}

// lookAtCompression offers it for a WebSocket and for a poll.
func lookAtCompression(ctx context.Context, v *visit) Finding {
	a, err := v.upgrade(ctx, http.Header{"Sec-Websocket-Extensions": {"permessage-deflate; server_no_context_takeover; client_no_context_takeover"}})
	if err != nil || a.status != http.StatusSwitchingProtocols {
		return fault(Fail, "a WebSocket that offers compression was not opened", "browsers offer it always", "a proxy that does not pass Sec-WebSocket-Extensions on as it is")
	}
	seen := "WebSockets: off, --compress would offer it"
	if extension := a.header.Get("Sec-Websocket-Extensions"); extension != "" {
		seen = "WebSockets: " + quote([]byte(extension))
	}
	p, a, err := v.open(ctx, v.once, http.Header{"Accept-Encoding": {"gzip, br"}})
	switch {
	case p != nil:
		p.end(ctx)
	case a != nil && a.header.Get("Content-Encoding") != "":
		return fault(Warn, seen+"; polls: "+quote([]byte(a.header.Get("Content-Encoding"))), "the proxy compresses small answers that change: it costs time and holds them back", "nginx: gzip off; for the path of Socket.IO")
	default:
		return fault(Fail, "a poll that takes gzip: "+err.Error(), "browsers always take it", "the proxy's compression")
	}
	return ok("%s; polls: off", seen)
}
