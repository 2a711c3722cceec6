package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// handshakes is how many sessions are begun to see which nodes there are.
const handshakes = 8

// lookAtNodes begins sessions on connections of their own, and lists the nodes
// that they are on; with the operator key, the versions too.
func lookAtNodes(ctx context.Context, v *visit) Finding {
	versions := make(map[string][]string)
	for range handshakes {
		p, _, err := v.open(ctx, v.once, nil)
		if err != nil {
			return fault(Fail, fmt.Sprintf("a handshake that another before did not have: %v", err), "some clients do not connect", "the nodes behind the balancer, and its checks of their health: /readyz")
		}
		p.end(ctx) // may come to another node
		if v.info == nil {
			continue
		}
		if i, _ := v.askInfo(ctx, nil); i != nil && !slices.Contains(versions[i.Version], i.Node) {
			versions[i.Version] = append(versions[i.Version], i.Node)
		}
	}
	var names []string
	for name := range v.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	seen := fmt.Sprintf("%d: %s", len(names), strings.Join(names, ", "))
	if len(versions) > 1 {
		var list []string
		for version, nodes := range versions {
			list = append(list, fmt.Sprintf("%s on %s", quote([]byte(version)), quote([]byte(strings.Join(nodes, ", ")))))
		}
		slices.Sort(list)
		return fault(Warn, seen+"; "+strings.Join(list, "; "), "nodes of several versions work together while a deploy lasts", "end the deploy")
	}
	return ok("%s", seen)
}

// requests is how many requests of one session go over connections of their own.
const requests = 6

const mendSessions = "--node-address and --cluster-key on every node, with the same --redis; or sticky sessions in the balancer"

// lookAtSessions makes the requests of one session on new connections, each of
// which a balancer may send to another node, and upgrades it on one more.
func lookAtSessions(ctx context.Context, v *visit) Finding {
	p, _, err := v.open(ctx, v.once, nil)
	if err != nil {
		return fault(Fail, err.Error(), "no client connects", "the log of the server")
	}
	defer p.end(ctx)
	lost := func(err error) Finding {
		seen := fmt.Sprintf("a request of a session was answered with: %v; nodes seen: %d", err, len(v.nodes))
		if len(v.nodes) < 2 {
			return fault(Fail, seen, "clients by long-polling come and go", "whether several nodes stand behind this address: "+mendSessions)
		}
		return fault(Fail, seen, "the request came to another node than the session's, which did not pass it on: clients by long-polling come and go", mendSessions)
	}
	if err := p.connect(ctx); err != nil {
		return lost(err)
	}
	for range requests / 2 {
		id, err := p.emit(ctx, "unsubscribe", v.Channel)
		if err == nil {
			err = p.acked(ctx, id)
		}
		if err != nil {
			return lost(err)
		}
	}
	seen := fmt.Sprintf("%d requests of one session, each on a new connection, all answered", requests+2)
	if v.well("websocket") {
		if err := p.probe(ctx); err != nil {
			return lost(err)
		}
		seen += ", and its upgrade"
	}
	return ok("%s: no sticky sessions needed", seen)
}

// buffered is how much later than other answers a poll may come.
const buffered = 500 * time.Millisecond

const mendBuffering = "nginx: proxy_buffering off; HAProxy: option http-no-delay; no compression of answers in the proxy"

// lookAtBuffering lets a poll wait, and measures how long after an event its
// answer is there.
func lookAtBuffering(ctx context.Context, v *visit) Finding {
	p, a, err := v.open(ctx, v.keep, nil)
	if err == nil {
		err = p.connect(ctx)
	}
	if err != nil {
		return fault(Fail, err.Error(), "no client connects", "the log of the server")
	}
	defer p.end(ctx)
	worst := time.Duration(0)
	for range 3 {
		came := make(chan error, 1)
		id := int64(p.calls)
		go func() { came <- p.acked(ctx, id) }() // ends with ctx at the latest
		<-time.After(50 * time.Millisecond)      // for the poll to be waiting
		begun := time.Now()
		if _, err = p.emit(ctx, "unsubscribe", v.Channel); err != nil {
			return fault(Fail, err.Error(), "clients by long-polling come and go", "the log of the server")
		}
		if err := <-came; err != nil {
			return fault(Fail, err.Error(), "what a poll waits for does not come", mendBuffering)
		}
		worst = max(worst, time.Since(begun))
	}
	seen := fmt.Sprintf("a poll that waited was answered %v after the event", worst.Round(10*time.Microsecond))
	if worst > buffered+3*a.took {
		return fault(Fail, seen, "something on the way holds answers back, and messages come late", mendBuffering)
	}
	return ok("%s", seen)
}
