package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/FZambia/sentinel/v2"
	"github.com/gomodule/redigo/redis"
	"golang.org/x/sync/singleflight"
)

// sentinelTimeout is how long one Sentinel may take to connect or to answer.
const sentinelTimeout = time.Second

// A watch asks Sentinels where the primary is. Those of one goroutine at a time
// are asked, since the library's list of them is not for more; whoever asks
// meanwhile gets the same answer.
//
// Its methods may be called from any goroutine.
type watch struct {
	name   string // constant
	list   *sentinel.Sentinel
	asking singleflight.Group
	named  atomic.Pointer[string] // what they said last
}

// watch is that of a dialer to Sentinels. They are asked without a user: the
// one in the URL is Redis'.
func (d *dialer) watch() *watch {
	ask := d.at("")
	ask.user, ask.password, ask.database = "", "", 0
	ask.connect, ask.read, ask.write, ask.largest = sentinelTimeout, sentinelTimeout, sentinelTimeout, minLargest
	return &watch{name: d.primary, list: &sentinel.Sentinel{
		Addrs:      strings.Split(d.hosts, ","),
		MasterName: d.primary,
		Dial:       func(addr string) (redis.Conn, error) { return ask.at(addr).dial(context.Background()) },
	}}
}

// find is the address of the primary.
func (w *watch) find(ctx context.Context) (string, error) {
	found := w.asking.DoChan("", func() (any, error) { return w.list.MasterAddr() }) // ends within the time of each Sentinel
	select {
	case r := <-found:
		if r.Err != nil {
			return "", fmt.Errorf("no Sentinel says where %q is: %w", w.name, plain(r.Err))
		}
		addr := r.Val.(string)
		w.named.Store(&addr)
		return addr, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// last is the address that find has found last; "" for none.
func (w *watch) last() string {
	if addr := w.named.Load(); addr != nil {
		return *addr
	}
	return ""
}

func (w *watch) close() { _ = w.list.Close() } // it has nothing to report

// errReplica is that of a Redis which was the primary, or is not it yet.
var errReplica = errors.New("it is a replica: the Sentinels have yet to agree")

// checkPrimary refuses a replica, which takes no message that others get.
func checkPrimary(ctx context.Context, conn redis.Conn) error {
	info, err := redis.String(redis.DoContext(conn, ctx, "INFO", "replication")) // ROLE's answer has arrays in arrays
	if err == nil && !strings.Contains(info, "role:master") {
		return errReplica
	}
	return err
}
