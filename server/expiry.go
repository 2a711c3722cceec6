package server

import (
	"sync"
	"time"
)

// An agenda calls for clients when their time has come, to the second. It has
// one timer, and that only while somebody waits: few sessions have an end.
type agenda struct {
	call func(*client) // constant; no lock is held

	mu    sync.Mutex
	due   map[int64]map[*client]struct{} // guarded by mu; Unix seconds → who
	timer *time.Timer                    // guarded by mu; set while due is not empty
}

func newAgenda(call func(*client)) *agenda {
	return &agenda{call: call, due: make(map[int64]map[*client]struct{})}
}

// second is the first Unix second at which at has come.
func second(at time.Time) int64 { return at.Add(time.Second - 1).Unix() }

// Add makes c be called at a second. Clients wait for one each.
func (a *agenda) Add(c *client, s int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.due[s] == nil {
		a.due[s] = make(map[*client]struct{}, 1)
	}
	a.due[s][c] = struct{}{}
	if a.timer == nil {
		a.timer = time.AfterFunc(time.Second, a.tick)
	}
}

// Remove undoes Add.
func (a *agenda) Remove(c *client, s int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.due[s], c)
	if len(a.due[s]) == 0 {
		delete(a.due, s)
	}
}

// tick calls those whose second has come.
func (a *agenda) tick() {
	now := time.Now().Unix()
	var list []*client
	a.mu.Lock()
	for s, clients := range a.due {
		if s <= now {
			for c := range clients {
				list = append(list, c)
			}
			delete(a.due, s)
		}
	}
	a.timer = nil
	if len(a.due) > 0 {
		a.timer = time.AfterFunc(time.Second, a.tick)
	}
	a.mu.Unlock()
	for _, c := range list {
		a.call(c)
	}
}

// Close forgets everybody.
func (a *agenda) Close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	clear(a.due)
	if a.timer != nil {
		a.timer.Stop()
	}
}
