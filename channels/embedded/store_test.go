package embedded

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/streams"
)

func quietLog() *logrus.Logger {
	log := logrus.New()
	log.SetOutput(io.Discard)
	return log
}

// serveDir runs a broker on a directory until the function it returns is called.
func serveDir(t *testing.T, config Config) (*Broker, func()) {
	t.Helper()
	config.Listen, config.Prefix, config.Log = "127.0.0.1:0", "sb:", quietLog()
	b, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx, &sink{live: make(chan string, 16)}) }() // ends with ctx
	for !b.Up() {
		<-time.After(time.Millisecond)
	}
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return b, stop
}

// What was accepted is there after a restart, and ids go on from there.
func TestRestart(t *testing.T) {
	config := Config{Dir: filepath.Join(t.TempDir(), "made", "here"), MaxKept: 10}
	b, stop := serveDir(t, config)
	var ids []string
	for i := range 15 {
		ids = append(ids, keep(t, b, "feed:é", fmt.Sprint(i))...)
	}
	other, err := New(Config{Listen: "127.0.0.1:0", Dir: config.Dir, Log: quietLog()})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Open(); err == nil || !strings.Contains(err.Error(), "another process uses") {
		t.Errorf("Open of a directory that is in use = %v, want it to say so", err)
	}
	stop()
	b, stop = serveDir(t, config)
	if got, want := since(t, b, "feed:é", ids[5], 100), "[6 7 8 9 10 11 12 13 14] true"; got != want {
		t.Errorf("Since = %s, want %s", got, want)
	}
	if got := since(t, b, "feed:é", ids[3], 100); got != "[] false" {
		t.Errorf("Since what is gone = %s", got)
	}
	b.now = func() time.Time { return time.UnixMilli(1) } // the clock went back
	next := keep(t, b, "feed:é", "15")[0]
	before, _ := streams.Parse(ids[14])
	if id, err := streams.Parse(next); err != nil || id.Compare(before) <= 0 {
		t.Errorf("the id after a restart is %s, which is not after %s", next, ids[14])
	}
	stop()
	config.MaxKept = 3
	b, _ = serveDir(t, config)
	if got, want := since(t, b, "feed:é", ids[13], 100), "[14 15] true"; got != want {
		t.Errorf("Since = %s, want %s", got, want)
	}
}

// All is forgotten, and ids go on nevertheless.
func TestRestartOfNothing(t *testing.T) {
	config := Config{Dir: t.TempDir()}
	b, stop := serveDir(t, config)
	conn := dial(t, b)
	for _, id := range []string{"9000000000000-0", "9000000000000-1"} {
		if _, err := conn.Do("XADD", "sb:stream", "MAXLEN", 0, id, "channel", "x", "data", 1); err != nil {
			t.Fatal(err)
		}
	}
	stop()
	b, _ = serveDir(t, config)
	if got := keep(t, b, "x", "1")[0]; got != "9000000000000-2" {
		t.Errorf("the next id is %s, want 9000000000000-2", got)
	}
}

// Whatever happened to the file, Open says so or has all of it.
func TestDamagedFile(t *testing.T) {
	config := Config{Dir: t.TempDir()}
	b, stop := serveDir(t, config)
	for i := range 500 {
		keep(t, b, "feed:football:fantasy", strings.Repeat(fmt.Sprint(i, " "), 20))
	}
	stop()
	path := filepath.Join(config.Dir, storeFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	try := func(name string, content []byte, mustFail bool) {
		t.Helper()
		dir := t.TempDir() // a file that was given up may be locked until the process ends
		path := filepath.Join(dir, storeFile)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := New(Config{Listen: "127.0.0.1:0", Dir: dir, Log: quietLog()})
		if err != nil {
			t.Fatal(err)
		}
		err = b.Open()
		switch {
		case err == nil:
			n := b.stream.length()
			b.closeStore()
			b.listener.Close()
			if mustFail || n < 499 { // the page that ends the last write is there twice, once as it was before
				t.Errorf("%s: Open = nil with %d messages, want an error", name, n)
			}
		case !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "is damaged") || strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: Open = %q, want a line that names the file", name, err)
		}
	}
	try("whole", whole, false)
	try("no database", []byte(strings.Repeat("hello ", 5000)), true)
	for _, n := range []int{1, 100, 4096, 8192, 12288, len(whole) / 4, len(whole) / 2, len(whole) - 4096, len(whole) - 1} {
		try(fmt.Sprint("cut to ", n), whole[:n], false)
	}
	at := bytes.Index(whole, []byte("feed:football:fantasy100 100"))
	if at < 0 {
		t.Fatal("the message is not in the file")
	}
	changed := bytes.Clone(whole)
	changed[at+22] = '7'
	try("a byte of a message", changed, true)
	for i := 0; i < len(whole); i += len(whole) / 64 {
		changed := bytes.Clone(whole)
		for j := range min(512, len(changed)-i) {
			changed[i+j] ^= 0x55
		}
		try(fmt.Sprintf("512 bytes from %d on", i), changed, false)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err = New(Config{Listen: "127.0.0.1:0", Dir: config.Dir, Log: quietLog()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(); err == nil || !strings.Contains(err.Error(), "--broker-dir") {
		t.Errorf("Open of what is no file = %v, want an error with the flag", err)
	}
}

// Many who add at once share what the disk does.
func TestGroupCommit(t *testing.T) {
	const clients, each = 50, 20
	b, _ := serveDir(t, Config{Dir: t.TempDir()})
	before := b.store.db.Stats()
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() { // ends when all is added
			for range each {
				if _, err := b.Keep(t.Context(), "x", []byte("1")); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	after := b.store.db.Stats()
	diff := after.Sub(&before)
	if n := diff.TxStats.GetWrite(); b.stream.length() != clients*each || n == 0 || n > clients*each*2 {
		t.Errorf("%d messages took %d writes, want far fewer", b.stream.length(), n)
	}
	last, _ := b.stream.bounds()
	if binary.Size(last) != idSize {
		t.Errorf("an id has %d bytes", binary.Size(last))
	}
}

// What is decoded is what was encoded, and all else is an error.
func FuzzDecode(f *testing.F) {
	r := record{id: streams.ID{MS: 5, Seq: 7}, at: 9, tag: "x", data: []byte("hello")}
	f.Add(encodeID(r.id), encode(&r))
	f.Add([]byte("short"), []byte{1, 2, 3, 4, 200, 1})
	f.Fuzz(func(t *testing.T, key, value []byte) {
		r, err := decode(key, value)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeID(r.id), key) || !bytes.Equal(encode(&r), value) {
			t.Errorf("decode(%x, %x) = %+v, which is encoded in another way", key, value, r)
		}
	})
}
