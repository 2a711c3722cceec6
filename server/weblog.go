package server

import (
	"bytes"
	"log"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
)

// A webLog takes what net/http complains about into the log of the server, a
// line a second at most: clients may cause as many as they like.
type webLog struct {
	log logrus.FieldLogger // constant

	mu      sync.Mutex
	last    time.Time // guarded by mu; of the last line
	dropped int       // guarded by mu; since then
}

func newWebLog(to logrus.FieldLogger) *log.Logger { return log.New(&webLog{log: to}, "", 0) }

func (w *webLog) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if !w.last.IsZero() && now.Sub(w.last) < time.Second {
		w.dropped++
		return len(p), nil
	}
	entry := w.log.WithField("by", "net/http")
	if w.dropped > 0 {
		entry = entry.WithField("dropped", w.dropped)
	}
	w.last, w.dropped = now, 0
	level := logrus.WarnLevel
	if bytes.HasPrefix(p, []byte("http: panic")) {
		level = logrus.ErrorLevel
	}
	entry.Logf(level, "%s", bytes.TrimSpace(p))
	return len(p), nil
}
