package server

import (
	"bytes"
	"log"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/sirupsen/logrus"
)

// A webLog takes what net/http complains about into the log of the server, a
// line a second at most: clients may cause as many as they like. Addresses,
// which these complaints begin with and may repeat, become hashes.
type webLog struct {
	log  logrus.FieldLogger // constant
	hash hasher             // constant

	mu      sync.Mutex
	last    time.Time // guarded by mu; of the last line
	dropped int       // guarded by mu; since then
}

func newWebLog(to logrus.FieldLogger, hash hasher) *log.Logger {
	return log.New(&webLog{log: to, hash: hash}, "", 0)
}

// hosts are addresses with or without a port, as package net writes them, and
// some other things that are no addresses.
var hosts = regexp.MustCompile(`\[[0-9a-fA-F:.]+(%[^\]\s]+)?\](:\d+)?` + // [::1%eth0]:80
	`|\d+\.\d+\.\d+\.\d+(:\d+)?` + // 127.0.0.1:80
	`|[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:.]*(%\w+)?`) // ::1

func (w *webLog) hideAddresses(text []byte) []byte {
	return hosts.ReplaceAllFunc(text, func(found []byte) []byte {
		host := bytes.TrimRight(found, ":.") // a sentence may go on
		if addr := parseHost(string(host)); addr.IsValid() {
			return append([]byte(w.hash.address(addr)), found[len(host):]...)
		}
		return found
	})
}

// loggable is what of a stranger's text may stand in the log: not much, and
// nothing that a terminal acts on.
func loggable(text string) string {
	const most = 200 // bytes
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '\ufffd'
		}
		return r
	}, text[:min(len(text), most)])
}

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
	entry.Logf(level, "%s", w.hideAddresses(bytes.TrimSpace(p)))
	return len(p), nil
}
