package presence

import (
	"context"
	"maps"
	"slices"
	"time"
)

// How long a node lives without news: leaseTime after it last said so, leaseLook
// until that is looked at, and leaseGrace, because a Redis that was started again
// has forgotten who lives. [GoneAfter] is the sum, and some.
const (
	leaseTime  = 5 * time.Second
	leaseLook  = time.Second // and a node says so as often
	leaseGrace = 2 * time.Second

	// GoneAfter is the time after which the members of a node that died have left.
	GoneAfter = 10 * time.Second
)

// A peer is another node of which something is kept.
type peer struct {
	rosters int       // that have something of it
	missing time.Time // since when its lease is; zero: it is not
}

// putLocked keeps what a node has said.
func (p *Rosters) putLocked(r *roster, node string, said *report) {
	if r.others[node] == nil {
		if p.peers[node] == nil {
			p.peers[node] = &peer{}
		}
		p.peers[node].rosters++
	}
	p.peers[node].missing = time.Time{}
	r.others[node] = said
}

// dropLocked undoes putLocked.
func (p *Rosters) dropLocked(r *roster, node string) {
	if r.others[node] == nil {
		return
	}
	delete(r.others, node)
	if p.peers[node].rosters--; p.peers[node].rosters == 0 {
		delete(p.peers, node)
	}
}

// watch says that this node lives, as long as it has something to say, and looks
// whether the others do.
func (p *Rosters) watch(ctx context.Context) {
	var held time.Time // when it was last begun, that then succeeded
	failed := false
	for {
		p.mu.Lock()
		used := len(p.rosters) > 0
		peers := slices.Collect(maps.Keys(p.peers))
		p.mu.Unlock()
		if used {
			began := time.Now()
			err := p.config.Nodes.Hold(ctx, leaseTime)
			switch {
			case ctx.Err() != nil:
				return
			case err != nil && !failed:
				p.config.Log.WithError(err).Warn("who is here may leave for the other nodes: the lease of presence could not be renewed")
			case err == nil && (failed || !held.IsZero() && began.Sub(held) > leaseGrace):
				p.sayAll() // they may have taken it for dead
			}
			if err == nil {
				held = began
			}
			failed = err != nil
		} else {
			held, failed = time.Time{}, false
		}
		p.look(ctx, peers)
		select {
		case <-ctx.Done():
			return
		case <-time.After(leaseLook):
		}
	}
}

// sayAll tells the others of every roster.
func (p *Rosters) sayAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.rosters {
		r.mustSay = true
		p.touchLocked(r)
	}
}

// look asks the broker which nodes live. While it does not answer, all do.
func (p *Rosters) look(ctx context.Context, peers []string) {
	for _, node := range peers {
		alive, err := p.config.Nodes.Alive(ctx, node)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		if err != nil {
			for _, one := range p.peers {
				one.missing = time.Time{}
			}
			p.mu.Unlock()
			return
		}
		p.lookedLocked(node, alive, time.Now())
		p.mu.Unlock()
	}
}

// lookedLocked notes whether a node lives. What it said is dropped when it has
// been gone for long enough.
func (p *Rosters) lookedLocked(node string, alive bool, now time.Time) {
	one := p.peers[node]
	switch {
	case one == nil:
	case alive:
		one.missing = time.Time{}
	case one.missing.IsZero():
		one.missing = now
	case now.Sub(one.missing) >= leaseGrace:
		for _, r := range p.rosters {
			if r.others[node] != nil {
				p.dropLocked(r, node)
				p.touchLocked(r)
			}
		}
	}
}
