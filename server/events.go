package server

import (
	"bytes"
	"crypto/rand"
	mathrand "math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/channels"
	"github.com/sb-stream/stream-server/server/engineio"
)

// When an EventSource comes back whose stream has ended: between so long and
// twice that, so that not all of those who lost a node come at once.
const (
	streamRetry = 1500 * time.Millisecond
	errorRetry  = 5 * time.Second // after $error
)

const eventStream = "text/event-stream"

// serveEvents is GET /events/{channel}: the messages of channels as Server-Sent
// Events, until either side has enough. $session is first, and $subscribed once
// what follows is certain to come.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request, l *listening) {
	f := &feed{id: rand.Text(), session: l.session, named: l.named, intake: intake{standing: l.standing}}
	c, err := s.seat(l, f)
	if err != nil {
		l.session.Discard()
		s.refuseListener(w, r, err)
		return
	}
	setStreamHeader(w.Header(), r)
	if err := l.session.Stream(w, streamHead(w.Header()), func() engineio.Receiver { return s.listened(c) }); err != nil {
		s.forget(c)
		s.log.WithError(err).Warn("a stream needs a connection of its own, of HTTP/1")
		writeError(w, http.StatusHTTPVersionNotSupported, CodeBadRequest, "this takes HTTP/1.1")
		return
	}
	s.tellSession(c, l.who, false)
	subscriptions, lost, err := s.hearPlain(r.Context(), c, l)
	if err != nil {
		f.Emit("$error", asWireError(err))
		l.session.Close(engineio.ReasonForcedClose)
		return
	}
	f.begin(subscriptions, lost)
	if s.awaitLive(c, subscriptions) {
		f.subscribed(subscribedTo(l.standing.tags, subscriptions))
	}
}

// wantsEvents reports whether an EventSource made the request.
func wantsEvents(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/events/") && r.Header.Get("Accept") == eventStream
}

// setStreamHeader sets what nobody may get wrong between here and the client.
func setStreamHeader(h http.Header, r *http.Request) {
	h.Set("Cache-Control", "no-store")
	if strings.HasPrefix(r.URL.Path, "/events/") {
		h.Set("Content-Type", eventStream)
		h.Set("X-Accel-Buffering", "no")
	} else {
		h.Set("Content-Type", "application/json")
	}
}

// streamHead is the answer that begins a stream, whose end is that of the
// connection: so no event needs the frame of a chunk around it.
func streamHead(h http.Header) []byte {
	h.Set("Connection", "close")
	var b bytes.Buffer
	b.WriteString("HTTP/1.1 200 OK\r\n")
	_ = h.Write(&b) // a buffer takes all
	b.WriteString("\r\n")
	b.Write(append(retryField(streamRetry), '\n'))
	return b.Bytes()
}

func retryField(base time.Duration) []byte {
	return appendField(nil, "retry", strconv.FormatInt((base+mathrand.N(base)).Milliseconds(), 10))
}

// appendNotice appends an event that is no message of a channel.
func appendNotice(b []byte, event string, data []byte) []byte {
	return appendEnd(appendField(appendField(b, "event", event), "data", data), "")
}

// A feed is a stream of Server-Sent Events, as a [plainLink].
type feed struct {
	// Constant.
	id      string
	session *engineio.Session
	named   bool // events have the names of their channels

	intake
}

func (f *feed) ID() string { return f.id }

// Emit sends an event that is no message of a channel.
func (f *feed) Emit(event string, args ...any) {
	f.session.Send(engineio.PlainFrame(appendNotice(nil, event, mustJSON(args[0]))))
}

// Close ends the stream. An EventSource comes back, unless its page closes it.
func (f *feed) Close() error {
	f.Emit("$error", errOperator)
	f.session.Close(engineio.ReasonForcedClose)
	return nil
}

var errOperator = &wireError{Code: CodeForbidden, Message: "an operator has ended this connection"}

func (f *feed) send(r *channels.Round) engineio.Outcome { return f.take(r, f.sendLocked) }

func (f *feed) sendLocked(r *channels.Round) engineio.Outcome {
	events := eventsOf(r)
	if !f.named {
		f.standing.note(r)
		return f.session.SendAll(events.bundleOf(r))
	}
	frames := make([]engineio.Frame, 0, 2*len(r.Messages))
	for i, head := range events.headsOf(r) {
		id := ""
		if position := r.Messages[i].Position; position != "" {
			f.standing.noteOne(r.Channel, position)
			id = f.standing.id()
		}
		frames = append(frames, head, engineio.PlainFrame(appendEnd(nil, id)))
	}
	return f.session.SendParts(latestOf(r), 2, frames...)
}

// begin lets messages through, after the notice of what is lost: a client whose
// stream breaks does not go on after a message before which it has not been told.
func (f *feed) begin(subscriptions []channels.Subscription, lost []string) {
	for _, tag := range lost {
		f.Emit("$gap", gap{tag, reasonNotRecovered})
	}
	f.open(subscriptions, f.sendLocked)
}

// subscribed says that the channels are heard, and from where on.
func (f *feed) subscribed(a ack) {
	f.mu.Lock()
	defer f.mu.Unlock()
	b := appendField(appendField(nil, "event", "$subscribed"), "data", mustJSON(a))
	f.session.Send(engineio.PlainFrame(appendEnd(b, f.standing.id())))
}
