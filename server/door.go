package server

import (
	"context"
	"net"
	"time"
)

// A door is where connections come in, and how that ends: http.Server.Shutdown
// alone gives no answer to a request that it has accepted and not read yet, and
// does not know of a connection that is just being accepted. Where another process
// accepts from the same socket by then, nobody else would.
type door struct {
	net.Listener
	*lateHeaders

	left chan struct{} // closed by who accepts, when it has ended
}

// A connection that was just made may take so long to bring its request.
const requestTimeout = 300 * time.Millisecond

// settleEvery is between two looks at whether all have. A request that has been
// seen is under way by the second.
const settleEvery = 5 * time.Millisecond

func newDoor(l net.Listener, begun *lateHeaders) *door {
	return &door{Listener: l, lateHeaders: begun, left: make(chan struct{})}
}

// shut lets nobody in any more, and returns when those who are in have asked for
// something, for a while at most. Who has not is shut out.
func (d *door) shut(ctx context.Context) {
	defer d.end()
	_ = d.Close() // it may be closed already
	select {
	case <-d.left:
	case <-ctx.Done():
		return
	}
	late := time.After(requestTimeout)
	for quiet := 0; quiet < 2; {
		select {
		case <-time.After(settleEvery):
		case <-late:
			return
		case <-ctx.Done():
			return
		}
		if quiet++; d.waiting() > 0 {
			quiet = 0
		}
	}
}
