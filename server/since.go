package server

import (
	"encoding/json"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A since is where a client was in the channels that it subscribes to.
type since map[string]channels.Place

// since reads the second argument of subscribe: {since: position}, or {since:
// {channel: position}}. What is no position of ours, or of no channel that is
// subscribed to, counts as none: the client is told that it is not recovered.
func (s *Server) since(e *socketio.Event, tags []string) since {
	if s.config.History < 0 || len(e.Args) < 2 {
		return nil
	}
	var options struct {
		Since json.RawMessage `json:"since"`
	}
	if json.Unmarshal(e.Args[1], &options) != nil || len(options.Since) == 0 {
		return nil
	}
	var one channels.Position
	var each map[string]channels.Position
	if json.Unmarshal(options.Since, &one) != nil && json.Unmarshal(options.Since, &each) != nil {
		return nil
	}
	at := make(since)
	for _, tag := range tags {
		position := one
		if each != nil {
			position = each[tag]
		}
		if place, ok := position.Place(); ok {
			at[tag] = place
		}
	}
	return at
}

// atHand reports whether this node has all that was missed.
func (s *Server) atHand(at since) bool {
	for tag, place := range at {
		if !s.has(tag, place) {
			return false
		}
	}
	return true
}

// has reports whether the place is one of this node, whose history goes back to it.
func (s *Server) has(tag string, place channels.Place) bool {
	return place.Node == s.node && s.channels.Has(tag, place.Number)
}

// missed is what Subscribe needs for those places which are this node's own.
func (s *Server) missed(at since, room *int) map[string]*channels.Missed {
	if len(at) == 0 {
		return nil
	}
	missed := make(map[string]*channels.Missed, len(at))
	for tag, place := range at {
		if place.Node == s.node {
			missed[tag] = &channels.Missed{After: place.Number, Room: room}
		}
	}
	return missed
}

// replayRoom is how many bytes one subscribe may replay: what a client's queue
// holds with room to spare, because a client that is closed for what it is
// replayed would come back for the same.
func (s *Server) replayRoom() *int {
	room := s.config.ClientQueue / 2
	return &room
}
