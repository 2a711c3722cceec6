package server

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels"
)

// Tags that nodes talk on. No client can name a tag with a dollar at its start,
// and nothing that comes on one goes to a channel.
const (
	nodesTag = "$nodes" // questions, to every node
	nodeTag  = "$node:" // and the id of a node: answers to that one
)

// reserved reports whether a tag is the nodes' own.
func reserved(tag string) bool { return strings.HasPrefix(tag, "$") }

// Limits of what nodes say to each other.
const (
	nodeInbox    = 256 // messages that wait to be looked at; more are dropped
	maxAnswering = 16  // questions answered at once
	nodeEnvelope = 256 // bytes of a message beside its body, and some
)

// nodes are this node and the others that share its broker and its key.
//
// A question goes to all of them, this one included, and each answers by a
// function for questions of its kind. The broker's count of receivers says how
// many answers there must be. Whoever may publish can send anything here:
// a [seal] tells what a node has said from all else. What is dropped, or lost,
// is an answer less, and who asked is told so.
//
// Its methods may be called from any goroutine, run once, handle before run.
type nodes struct {
	// Constant.
	id     string // of this node, for one run of the process
	broker channels.Broker
	log    logrus.FieldLogger
	seal   *seal         // nil: this node is alone
	most   int           // bytes of the largest message
	within time.Duration // answers have to come
	kinds  map[string]func(json.RawMessage) (any, error)
	inbox  chan arrival
	marks  *marks

	refused atomic.Uint64 // messages that bore no good seal
	warned  atomic.Int64  // when the log was last told of one, Unix seconds

	mu     sync.Mutex
	asking map[string]*question // guarded by mu; by the ID of the message
}

// An arrival is a message as the broker brought it.
type arrival struct {
	tag  string
	data []byte
}

// A question is one that waits for answers.
type question struct {
	heard    map[string]json.RawMessage // guarded by nodes.mu; node → its answer
	expected int                        // guarded by nodes.mu; answers there must be; -1 while nobody knows
	complete chan struct{}              // closed when they are there
}

func newNodes(id string, broker channels.Broker, log logrus.FieldLogger, s *seal, most int, within time.Duration) *nodes {
	return &nodes{
		id:     id,
		broker: broker,
		log:    log,
		seal:   s,
		most:   most,
		within: within,
		kinds:  make(map[string]func(json.RawMessage) (any, error)),
		inbox:  make(chan arrival, nodeInbox),
		marks:  newMarks(),
		asking: make(map[string]*question),
	}
}

// room is how many bytes the body of a message may have.
func (n *nodes) room() int { return n.most - nodeEnvelope }

// handle makes f answer the questions of a kind. What they ask and are answered
// with is JSON, of at most room bytes.
func handle[Q, A any](n *nodes, kind string, f func(Q) A) {
	n.kinds[kind] = func(body json.RawMessage) (any, error) {
		var q Q
		if err := json.Unmarshal(body, &q); err != nil {
			return nil, err
		}
		return f(q), nil
	}
}

// ask asks every node and returns the answers that came in time, that of this
// node first, and how many nodes there are: no fewer than answers. After an
// error, that of the broker, there is this node's alone.
func (n *nodes) ask(ctx context.Context, kind string, body any) (answers []json.RawMessage, nodes int, err error) {
	asked, err := encodeNode(body)
	if err != nil {
		return nil, 1, err
	}
	own, err := n.answer(kind, asked)
	if err != nil {
		return nil, 1, err
	}
	answers = []json.RawMessage{own}
	if n.seal == nil {
		return answers, 1, nil
	}
	ctx, cancel := context.WithTimeout(ctx, n.within)
	defer cancel()
	m := nodeMessage{Node: n.id, ID: rand.Text(), Kind: kind, Body: asked}
	q := &question{heard: make(map[string]json.RawMessage), expected: -1, complete: make(chan struct{})}
	n.mu.Lock()
	n.asking[m.ID] = q
	n.mu.Unlock()
	reached, err := n.send(ctx, nodesTag, m)
	if err == nil {
		n.expect(q, reached)
		select {
		case <-q.complete:
		case <-ctx.Done():
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.asking, m.ID)
	if err != nil {
		return answers, 1, err
	}
	for node, answer := range q.heard {
		if node != n.id {
			answers = append(answers, answer)
		}
	}
	nodes = max(reached, len(q.heard))
	if _, counted := q.heard[n.id]; !counted {
		nodes++ // this node was not among those that the broker reached
	}
	return answers, nodes, nil
}

// expect says how many nodes the question reached.
func (n *nodes) expect(q *question, nodes int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q.expected = nodes
	q.lookLocked()
}

// lookLocked looks whether all have answered, whenever that may have changed.
func (q *question) lookLocked() {
	select {
	case <-q.complete:
	default:
		if q.expected >= 0 && len(q.heard) >= q.expected {
			close(q.complete)
		}
	}
}

// message takes what the broker brings on a reserved tag. It never blocks.
func (n *nodes) message(tag string, data []byte) {
	if n.seal == nil || len(data) > n.most {
		return
	}
	select {
	case n.inbox <- arrival{tag, data}:
	default: // who asked is told of an answer less
	}
}

// run listens and answers until ctx ends.
func (n *nodes) run(ctx context.Context) error {
	if n.seal == nil {
		return nil
	}
	n.broker.Listen(nodesTag)
	n.broker.Listen(nodeTag + n.id)
	var answering sync.WaitGroup
	defer answering.Wait()
	slots := make(chan struct{}, maxAnswering)
	for {
		var a arrival
		select {
		case <-ctx.Done():
			return nil
		case a = <-n.inbox:
		}
		m, err := n.seal.open(a.tag, a.data)
		switch {
		case err != nil:
			n.refuse(err)
		case a.tag != nodesTag:
			n.heard(m.To, m.Node, m.Body)
		case m.Node == n.id: // ask has answered it, and counts it
			n.heard(m.ID, n.id, nil)
		default:
			slots <- struct{}{}   // waits for no longer than an answer may take
			answering.Go(func() { // ends within that time
				defer func() { <-slots }()
				n.reply(ctx, m)
			})
		}
	}
}

// heard takes a node's answer.
func (n *nodes) heard(id, node string, answer json.RawMessage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if q := n.asking[id]; q != nil {
		q.heard[node] = answer
		q.lookLocked()
	}
}

// reply answers the question of another node.
func (n *nodes) reply(ctx context.Context, m nodeMessage) {
	answer, err := n.answer(m.Kind, m.Body)
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, n.within)
		defer cancel()
		_, err = n.send(ctx, nodeTag+m.Node, nodeMessage{Node: n.id, ID: rand.Text(), To: m.ID, Body: answer})
	}
	if err != nil && ctx.Err() == nil {
		n.log.WithError(err).Warn("a question of another node could not be answered")
	}
}

// answer is what this node says to a question.
func (n *nodes) answer(kind string, body json.RawMessage) (json.RawMessage, error) {
	f := n.kinds[kind]
	if f == nil {
		return nil, fmt.Errorf("server: no answer is known to %q", kind)
	}
	answer, err := f(body)
	if err != nil {
		return nil, fmt.Errorf("server: a question of kind %q: %w", kind, err)
	}
	return encodeNode(answer)
}

// send publishes a message on a reserved tag and returns how many nodes it
// reached.
func (n *nodes) send(ctx context.Context, tag string, m nodeMessage) (int, error) {
	data, err := n.seal.close(tag, m)
	if err != nil {
		return 0, err
	}
	if len(data) > n.most {
		return 0, fmt.Errorf("server: a message to the nodes of %d bytes, over the limit of %d", len(data), n.most)
	}
	return n.broker.Publish(ctx, tag, data)
}

// refuse counts what was not believed. The log hears of it once a second.
func (n *nodes) refuse(err error) {
	n.refused.Add(1)
	now := time.Now().Unix()
	if last := n.warned.Load(); now > last && n.warned.CompareAndSwap(last, now) {
		n.log.WithError(err).Warn("refused what somebody said to the nodes")
	}
}
