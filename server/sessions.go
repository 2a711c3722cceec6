package server

import "sync"

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

// Remove takes a session out of the map.
func (s *Sessions) Remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, id)
}

// Find is the session with this id, and whether there is one.
func (s *Sessions) Find(id string) (Emitter, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e, ok := s.sessions[id]
	return e, ok
}

// Len is how many sessions there are.
func (s *Sessions) Len() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.sessions)
}
