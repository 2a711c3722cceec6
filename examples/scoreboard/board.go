package main

import (
	"math/rand/v2"
	"slices"
	"sync"
)

// A Match is the state of one, and the message that tells of it.
type Match struct {
	ID      string `json:"id"`
	Channel string `json:"channel"`
	Home    string `json:"home"`
	Away    string `json:"away"`
	Score   [2]int `json:"score"` // of home, of away
	Minute  int    `json:"minute"`
	Event   string `json:"event,omitempty"` // what has just happened
}

// A board holds the matches. Its methods may be called from any goroutine.
type board struct {
	mu   sync.Mutex
	list []Match // guarded by mu
}

func newBoard() *board {
	b := &board{}
	for _, m := range []Match{
		{ID: "1", Home: "Northbridge", Away: "Castleford United"},
		{ID: "2", Home: "Seaview Rovers", Away: "Atlético Pinar"},
		{ID: "3", Home: "SV Grünwald", Away: "Kirkby Athletic"},
		{ID: "4", Home: "Port Ellen", Away: "Olympique Lac"},
	} {
		m.Channel = "score:" + m.ID
		m.Minute = rand.IntN(90)
		b.list = append(b.list, m)
	}
	return b
}

func (b *board) matches() []Match {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.list)
}

func (b *board) match(id string) (Match, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.list, func(m Match) bool { return m.ID == id })
	if i < 0 {
		return Match{}, false
	}
	return b.list[i], true
}

// minute plays one of each match. After the last, the match begins again.
func (b *board) minute() []Match {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.list {
		m := &b.list[i]
		m.Event = ""
		switch m.Minute++; {
		case m.Minute > 90:
			m.Minute, m.Score, m.Event = 0, [2]int{}, "Kick-off"
		case m.Minute == 90:
			m.Event = "Full time"
		case rand.IntN(25) == 0:
			side := rand.IntN(2)
			m.Score[side]++
			m.Event = "Goal: " + [2]string{m.Home, m.Away}[side]
		}
	}
	return slices.Clone(b.list)
}
