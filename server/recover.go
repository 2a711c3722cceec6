package server

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/sb-stream/stream-server/channels"
)

const (
	recoverTimeout = 3 * time.Second  // that a subscribe takes longer when another node has to be asked
	lagTimeout     = 10 * time.Second // and when this node is behind: by then the broker's connection counts as lost
	maxRecovering  = 8                // channels of one subscribe that are looked for at once
	maxRead        = 1000             // messages of a channel that are read from the broker
)

// How a client got what it missed, the labels of a metric.
const (
	byNumber      = "number"      // this node had its position
	byFingerprint = "fingerprint" // this node had heard the same
	byStream      = "stream"      // the broker keeps it
	byNode        = "node"        // the node it came from had it
	bySession     = "session"     // it came back as the session that it was, to this node
	byNobody      = "none"        // it was told that something may be missing
)

type recoveries map[string]*atomic.Uint64

func newRecoveries() recoveries {
	return recoveries{
		byNumber: new(atomic.Uint64), byFingerprint: new(atomic.Uint64), byStream: new(atomic.Uint64),
		byNode: new(atomic.Uint64), bySession: new(atomic.Uint64), byNobody: new(atomic.Uint64),
	}
}

// recover looks for what a client missed that this node does not have by its
// own numbers: among what it has heard, in the broker's stream, and with the
// node that the client comes from, in that order. The channels are held until
// release; those that nothing is found for are not in missed.
func (s *Server) recover(ctx context.Context, at since) (missed map[string]*channels.Missed, release func()) {
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	room := s.replayRoom()
	missed = s.missed(at, room)
	var mu sync.Mutex
	elsewhere := make(map[string][]inquiry) // node → what to ask it
	var releases []func()
	var looking errgroup.Group
	looking.SetLimit(maxRecovering)
	for tag, place := range at {
		if s.has(tag, place) {
			s.recoveries[byNumber].Add(1)
			continue
		}
		live, free := s.channels.Hold(tag)
		releases = append(releases, free)
		mu.Lock()
		delete(missed, tag)
		mu.Unlock()
		looking.Go(func() error { // ends by ctx
			select {
			case <-live:
			case <-ctx.Done():
				return nil
			}
			found, how := s.search(ctx, tag, place)
			mu.Lock()
			defer mu.Unlock()
			if found != nil {
				found.Room = room
				missed[tag] = found
				s.recoveries[how].Add(1)
			} else if place.Node != s.node && place.ID == "" {
				elsewhere[place.Node] = append(elsewhere[place.Node], inquiry{Tag: tag, After: place.Number})
			}
			return nil
		})
	}
	_ = looking.Wait() // none fails
	ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), recoverTimeout)
	defer cancel()
	for node, asks := range elsewhere {
		looking.Go(func() error { // ends by ctx
			found, err := s.askNode(ctx, node, asks)
			if err != nil && !errors.Is(err, errNodeGone) {
				s.log.WithError(err).WithField("node", node).Warn("a node could not be asked for what a client missed")
			}
			mu.Lock()
			defer mu.Unlock()
			for tag, m := range found {
				m.Room = room
				missed[tag] = m
				s.recoveries[byNode].Add(1)
			}
			return nil
		})
	}
	_ = looking.Wait()
	s.recoveries[byNobody].Add(uint64(len(at) - len(missed)))
	return missed, func() {
		for _, free := range releases {
			free()
		}
	}
}

// search is what came after the place, which is another node's or older than this
// one's history; nil if it is not here.
func (s *Server) search(ctx context.Context, tag string, place channels.Place) (found *channels.Missed, how string) {
	if place.ID == "" && !s.broker.Ordered() {
		return nil, "" // another node may have heard it in another order
	}
	if place.ID != "" {
		if after, ok := s.channels.Find(tag, place); ok {
			return &channels.Missed{After: after}, byFingerprint
		}
		return s.read(ctx, tag, place.ID), byStream
	}
	// What came to the other node before it said that place must have come here;
	// also so that the client does not get it twice.
	lag, cancel := context.WithTimeout(context.WithoutCancel(ctx), lagTimeout)
	defer cancel()
	if err := s.broker.Barrier(lag, tag); err != nil {
		return nil, ""
	}
	if after, ok := s.channels.Find(tag, place); ok {
		return &channels.Missed{After: after}, byFingerprint
	}
	return nil, ""
}

// read is what the broker has kept since the id; nil if that is not all.
func (s *Server) read(ctx context.Context, tag, id string) *channels.Missed {
	k, can := s.broker.(channels.Keeper)
	if !can {
		return nil
	}
	kept, complete, err := k.Since(ctx, tag, id, maxRead)
	if err != nil || !complete {
		return nil
	}
	for i := range kept {
		if tooDeep(kept[i].Data) {
			return nil
		}
		kept[i].Data = asJSON(kept[i].Data)
	}
	missed, ok := s.channels.Splice(tag, id, kept)
	if !ok {
		return nil
	}
	return missed
}

// An inquiry is for what one node has of a channel after its own number, up to the
// marker: the place in the channel, which all nodes hear, from which the one who
// asks has it itself.
type inquiry struct {
	Tag    string `json:"tag"`
	After  uint64 `json:"after"`
	Marker string `json:"marker"`
}

// An answered is the answer to one inquiry.
type answered struct {
	Tag      string `json:"tag"`
	Messages []said `json:"messages"`
}

// said is a message as one node tells it to another. Its data stays as it is,
// byte for byte.
type said struct {
	Data     []byte            `json:"data"`
	Position channels.Position `json:"position"`
}

// historyPath is where nodes ask each other for what clients missed.
const historyPath = "history"

// A fellowship is the other nodes, which can be asked one by one.
type fellowship interface {
	// alive is errNodeGone if there is no such node now.
	alive(ctx context.Context, node string) error

	// post puts a question to a node, to be answered at /node/<path>.
	post(ctx context.Context, node, path string, body []byte) ([]byte, error)
}

// errNodeGone is that of a node that has ended.
var errNodeGone = errors.New("server: there is no such node")

// askNode is what another node has of the channels, by tag. This node hears
// them.
func (s *Server) askNode(ctx context.Context, node string, asks []inquiry) (map[string]*channels.Missed, error) {
	if s.peers == nil {
		return nil, nil
	}
	if err := s.peers.alive(ctx, node); err != nil {
		return nil, err
	}
	for i := range asks {
		id, err := s.nodes.mark(ctx, asks[i].Tag)
		if err != nil {
			return nil, err
		}
		asks[i].Marker = id
	}
	question, err := json.Marshal(asks)
	if err != nil {
		return nil, err
	}
	text, err := s.peers.post(ctx, node, historyPath, question)
	if err != nil {
		return nil, err
	}
	var answers []answered
	if err := json.Unmarshal(text, &answers); err != nil {
		return nil, err
	}
	markers := make(map[string]string, len(asks))
	for _, a := range asks {
		markers[a.Tag] = a.Marker
	}
	found := make(map[string]*channels.Missed, len(answers))
	for _, a := range answers {
		after, err := s.nodes.marks.wait(ctx, markers[a.Tag])
		if err != nil {
			return found, err
		}
		m := &channels.Missed{After: after}
		for _, one := range a.Messages {
			m.Before = append(m.Before, channels.Message{Data: one.Data, Position: one.Position})
		}
		found[a.Tag] = m
	}
	return found, nil
}

// history answers another node's inquiries: those that this one can, and no more
// bytes than a client may be replayed.
func (s *Server) history(ctx context.Context, question []byte) ([]byte, error) {
	var asks []inquiry
	if err := json.Unmarshal(question, &asks); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, recoverTimeout)
	defer cancel()
	room := *s.replayRoom()
	answers := []answered{}
	for _, a := range asks {
		if !s.channels.Has(a.Tag, a.After) {
			continue
		}
		upTo, err := s.nodes.marks.wait(ctx, a.Marker)
		if err != nil {
			break // the others' will not come either
		}
		list, ok := s.channels.Between(a.Tag, a.After, upTo)
		if !ok {
			continue
		}
		one := answered{Tag: a.Tag, Messages: []said{}}
		for _, m := range list {
			room -= len(m.Data)
			one.Messages = append(one.Messages, said{m.Data, m.Position})
		}
		if room < 0 {
			break
		}
		answers = append(answers, one)
	}
	return json.Marshal(answers)
}
