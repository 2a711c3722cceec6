package main

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

const kept = 50 // notifications of each member

// A note is one notification.
type note struct {
	ID   int    `json:"id"`
	From string `json:"from"`
	Text string `json:"text"`
	At   string `json:"at"` // RFC 3339
}

// An inbox is what a database would have: who there is, who is logged in, and
// what each was told. Its methods may be called from any goroutine.
type inbox struct {
	mu       sync.Mutex
	sessions map[string]string // guarded by mu; by the value of the cookie
	notes    map[string][]note // guarded by mu; by member, the newest last
	last     int               // guarded by mu; id
}

func newInbox() *inbox {
	notes := map[string][]note{"alice": {}, "bob": {}, "carol": {}}
	return &inbox{sessions: map[string]string{}, notes: notes}
}

func (b *inbox) known(name string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.notes[name] != nil
}

// begin is a session of its own, whatever cookie there was.
func (b *inbox) begin(name string) string {
	session := rand.Text()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sessions[session] = name
	return session
}

func (b *inbox) end(session string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.sessions, session)
}

// owner is the member whose session it is, or empty.
func (b *inbox) owner(session string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sessions[session]
}

func (b *inbox) add(to, from, text string) note {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.last++
	n := note{ID: b.last, From: from, Text: text, At: time.Now().Format(time.RFC3339)}
	b.notes[to] = append(b.notes[to], n)
	b.notes[to] = b.notes[to][max(0, len(b.notes[to])-kept):]
	return n
}

func (b *inbox) list(name string) []note {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.notes[name])
}
