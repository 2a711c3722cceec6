package server

import (
	"iter"
	"sync"
)

// An Emitter is the thing that can send to a session.
type Emitter interface {
	// Emit sends an event with arguments that become JSON. It never blocks.
	Emit(event string, args ...any)

	// Close disconnects the client, which does not come back by itself.
	Close() error
}

// Sessions is the map: public session id → [Emitter]. Its methods may be
// called from any goroutine.
type Sessions struct {
	mu       sync.RWMutex
	sessions map[string]Emitter // guarded by mu
}

func newSessions() *Sessions {
	return &Sessions{sessions: make(map[string]Emitter)}
}

// Add puts a session into the map.
func (s *Sessions) Add(id string, e Emitter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sessions[id] = e
}

// Remove takes a session out of the map, unless another has its id by now.
func (s *Sessions) Remove(id string, e Emitter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sessions[id] == e {
		delete(s.sessions, id)
	}
}

// Find is the session with this id, and whether there is one.
func (s *Sessions) Find(id string) (Emitter, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.sessions[id]
	return e, ok
}

// breath is how many sessions are looked at under one lock, so that a walk over
// all of them keeps nobody from connecting.
const breath = 1024

// all is every session. No lock is held while one is looked at, so that those
// who come or go meanwhile may be missing, or be there still.
func (s *Sessions) all() iter.Seq[Emitter] {
	return func(yield func(Emitter) bool) {
		var few []Emitter
		flush := func() bool {
			for _, e := range few {
				if !yield(e) {
					return false
				}
			}
			few = few[:0]
			return true
		}
		s.mu.RLock()
		for _, e := range s.sessions { // Go allows a map to change between the steps of a range
			if few = append(few, e); len(few) < breath {
				continue
			}
			s.mu.RUnlock()
			if !flush() {
				return
			}
			s.mu.RLock()
		}
		s.mu.RUnlock()
		flush()
	}
}

// Len is how many sessions there are.
func (s *Sessions) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}
