package chaos

import (
	"context"
	"fmt"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"
)

// A link is what stands between a node and Redis: toxiproxy, in this process.
type link struct {
	t     *testing.T
	proxy *toxiproxy.Proxy
}

// startLink is one to an address, until the test ends.
func startLink(t *testing.T, upstream string) *link {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	l := &link{t: t, proxy: toxiproxy.NewProxy(server, t.Name(), "127.0.0.1:0", upstream)}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	return l
}

// url is of Redis, through the link.
func (l *link) url() string { return "redis://" + l.proxy.Listen }

// cut ends every connection, and takes new ones at once.
func (l *link) cut() {
	l.t.Helper()
	l.proxy.Stop()
	if err := l.proxy.Start(); err != nil { // on the same port
		l.t.Fatal(err)
	}
}

// slow delays what Redis says by so many milliseconds.
func (l *link) slow(ms int) { l.add("slow", "latency", fmt.Sprintf(`"latency":%d`, ms), "downstream") }

// part drops all bytes of both directions, and ends no connection.
func (l *link) part() {
	l.add("part-up", "timeout", `"timeout":0`, "upstream")
	l.add("part-down", "timeout", `"timeout":0`, "downstream")
}

func (l *link) add(name, kind, attributes, stream string) {
	l.t.Helper()
	toxic := fmt.Sprintf(`{"name":%q,"type":%q,"stream":%q,"attributes":{%s}}`, name, kind, stream, attributes)
	if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		l.t.Fatal(err)
	}
}

// mend takes all that away.
func (l *link) mend() { l.proxy.Toxics.ResetToxics(context.Background()) }
