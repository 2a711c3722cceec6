package streams

import (
	"context"
	"sync"
)

// A Progress is how far the entries of a stream have been delivered. The zero
// Progress is the beginning. Its methods may be called from any goroutine.
type Progress struct {
	mu      sync.Mutex
	at      ID
	changed chan struct{} // guarded by mu; closed when at changes; nil if nobody waits
}

// Reach says that the entries up to id have been delivered. It may go back, when
// the stream did.
func (p *Progress) Reach(id ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = id
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// Wait returns once the entries up to id have been delivered, or with the error
// of ctx.
func (p *Progress) Wait(ctx context.Context, id ID) error {
	for {
		changed, there := p.look(id)
		if there {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (p *Progress) look(id ID) (changed <-chan struct{}, there bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.Compare(id) >= 0 {
		return nil, true
	}
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed, false
}
