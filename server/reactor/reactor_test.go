package reactor

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// numbered is n bytes in which a loss or a change of order shows.
func numbered(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(i * 7 >> 3)
	}
	return p
}

func TestReadInOrder(t *testing.T) {
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			server, client := tt.make(t)
			r := newRecorder(t)
			conn := tt.open(t)(server, r)
			want := numbered(200_000)
			conn.Start(bytes.Clone(want[:100])) // read before it was ours
			if _, err := client.Write(want[100:]); err != nil {
				t.Fatal(err)
			}
			client.Close()
			if err := wait(t, r.closed, "Closed"); !errors.Is(err, io.EOF) {
				t.Errorf("Closed(%v), want EOF", err)
			}
			if !bytes.Equal(r.received, want) {
				t.Errorf("received %d bytes, want the %d sent, in order", len(r.received), len(want))
			}
		})
	}
}

// TestWriteNeverWaits writes to a peer that does not read until Write is
// refused, and then what is left each time Writable is called.
func TestWriteNeverWaits(t *testing.T) {
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			server, client := tt.make(t)
			r := newRecorder(t)
			conn := tt.open(t)(server, r)
			conn.Start(nil)
			want := numbered(12 << 20)
			rest := want
			write := func() bool {
				n := min(len(rest), 1<<20)
				if !conn.WriteAll(rest[:n/3], rest[n/3:n]) {
					return false
				}
				rest = rest[n:]
				return len(rest) > 0
			}
			for write() {
			}
			if len(rest) == 0 || !conn.Busy() {
				t.Fatalf("%d bytes are left, busy %v; want a refusal", len(rest), conn.Busy())
			}
			got := readAll(client)
			for len(rest) > 0 {
				wait(t, r.writable, "Writable")
				for write() {
				}
			}
			conn.Close()
			if p := wait(t, got, "all bytes"); !bytes.Equal(p, want) {
				t.Errorf("peer got %d bytes, want the %d sent, in order", len(p), len(want))
			}
			client.Close()
			if err := wait(t, r.closed, "Closed"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Closed(%v), want ErrClosed", err)
			}
		})
	}
}

func TestCloseFlushes(t *testing.T) {
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			server, client := tt.make(t)
			r := newRecorder(t)
			conn := tt.open(t)(server, r)
			conn.Start(nil)
			want := numbered(12 << 20)
			if !conn.Write(want[:len(want)-5]) {
				t.Fatal("Write() = false, want the first to be taken")
			}
			conn.Close(want[len(want)-5:len(want)-2], want[len(want)-2:])
			conn.Close([]byte("not this"))
			if conn.Write([]byte("nor this")) {
				t.Error("Write() after Close = true, want false")
			}
			if p := wait(t, readAll(client), "all bytes"); !bytes.Equal(p, want) {
				t.Errorf("peer got %d bytes, want %d", len(p), len(want))
			}
			client.Close()
			_ = wait(t, r.closed, "Closed")
		})
	}
}

// TestCloseWithUnread checks that a peer gets the last words even if it sends
// on: a socket that is closed with something unread resets the connection.
func TestCloseWithUnread(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { closeWithUnread(t, New) })
	t.Run("epoll", func(t *testing.T) { closeWithUnread(t, epoll(t)) })
}

func closeWithUnread(t *testing.T, open func(net.Conn, Handler) Conn) {
	t.Helper()
	server, client := tcpPair(t)
	r := newRecorder(t)
	conn := open(server, r)
	conn.Start(nil)
	conn.Close([]byte("last"))
	wrote := make(chan struct{})
	go func() { // ends when the connection does
		defer close(wrote)
		for range 100 {
			if _, err := client.Write(make([]byte, 1000)); err != nil {
				return
			}
		}
	}()
	wait(t, wrote, "the peer's writes")
	p := make([]byte, 10)
	if n, err := io.ReadFull(client, p[:4]); string(p[:n]) != "last" {
		t.Errorf("peer read %q, %v; want %q", p[:n], err, "last")
	}
	if _, err := client.Read(p); !errors.Is(err, io.EOF) {
		t.Errorf("peer's next read = %v, want EOF", err)
	}
	_ = wait(t, r.closed, "Closed, though the peer stays")
	if len(r.received) > 0 {
		t.Errorf("handler got %d bytes after Close, want none", len(r.received))
	}
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server, client := net.Pipe()
		r := newRecorder(t)
		conn := New(server, r)
		conn.Start(nil)
		conn.Write([]byte("nobody reads this"))
		start := time.Now()
		conn.Close()
		if err := <-r.closed; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Closed(%v), want ErrClosed", err)
		}
		if d := time.Since(start); d != flushTimeout {
			t.Errorf("closed after %v, want %v", d, flushTimeout)
		}
		client.Close()
	})
}

func TestAbort(t *testing.T) {
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			server, client := tt.make(t)
			r := newRecorder(t)
			conn := tt.open(t)(server, r)
			conn.Write(numbered(12 << 20)) // more than fits
			conn.Abort()
			conn.Abort()
			conn.Close()
			conn.Start(nil)
			if err := wait(t, r.closed, "Closed"); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Closed(%v), want ErrClosed", err)
			}
			if conn.Write([]byte("x")) {
				t.Error("Write() after Abort = true, want false")
			}
			if _, err := io.Copy(io.Discard, client); tt.name != "pipe" && err == nil {
				t.Error("peer saw an orderly end, want a reset")
			}
		})
	}
}

// TestAllAtOnce lets everything that may happen to a socket happen together.
// The recorder checks that Closed comes once and last.
func TestAllAtOnce(t *testing.T) {
	data := numbered(1 << 16)
	for _, tt := range kinds {
		t.Run(tt.name, func(t *testing.T) {
			open := tt.open(t)
			for range 100 {
				server, client := tt.make(t)
				r := newRecorder(t)
				conn := open(server, r)
				conn.Start([]byte("early"))
				var all sync.WaitGroup
				all.Go(func() { _, _ = io.CopyN(io.Discard, client, rand.Int64N(1<<20)); client.Close() })
				all.Go(func() { _, _ = client.Write(data[:rand.IntN(len(data))]) })
				for range 2 {
					all.Go(func() {
						for range rand.IntN(50) {
							conn.WriteAll(data[:rand.IntN(len(data))], []byte("x"))
						}
						conn.Busy()
						if rand.IntN(2) == 0 {
							conn.Close([]byte("last"))
						} else {
							conn.Abort()
						}
					})
				}
				all.Wait()
				_ = wait(t, r.closed, "Closed")
			}
		})
	}
}

func TestWriteAllocatesNothing(t *testing.T) {
	t.Run("tcp", func(t *testing.T) { writeAllocatesNothing(t, New) })
	t.Run("epoll", func(t *testing.T) { writeAllocatesNothing(t, epoll(t)) })
}

func writeAllocatesNothing(t *testing.T, open func(net.Conn, Handler) Conn) {
	t.Helper()
	server, client := tcpPair(t)
	r := newRecorder(t)
	conn := open(server, r)
	conn.Start(nil)
	one := [][]byte{numbered(128)}
	got := testing.AllocsPerRun(100, func() {
		if !conn.WriteAll(one...) {
			t.Fatal("Write() = false, want room for 100 messages")
		}
	})
	if got != 0 {
		t.Errorf("Write allocates %v times, want 0", got)
	}
	conn.Close()
	client.Close()
	_ = wait(t, r.closed, "Closed")
}
