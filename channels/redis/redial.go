package redis

import (
	"context"
	"errors"
)

// A dropped connection is one that was given up though it seemed well.
type dropped struct{ reason string }

func (d *dropped) Error() string { return "given up: " + d.reason }

// Redial gives up the connection on which the channel is subscribed to, and
// makes it again, for one who knows that it brings nothing though Redis answers.
// The sink is told of the loss with this reason.
func (b *Broker) Redial(tag, reason string) { b.link(tag).giveUp("", reason) }

// giveUp ends the connection, unless it leads to this address.
func (l *link) giveUp(unless, reason string) {
	l.mu.Lock()
	drop := l.drop
	if l.addr == unless {
		drop = nil
	}
	l.mu.Unlock()
	if drop != nil {
		drop(&dropped{reason})
	}
}

// droppable makes giveUp end the connection that end ends; nil: there is none.
func (l *link) droppable(addr string, end context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addr, l.drop = addr, end
}

// lossOf is what the clients are told of a connection that ended by err.
func lossOf(err error) string {
	var d *dropped
	if errors.As(err, &d) {
		return d.reason
	}
	return reasonLost
}
