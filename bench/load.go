package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/ws"
)

// patience is how long a run may stand still.
const patience = 20 * time.Second

// measure runs a subject with that many clients and publishes until so many
// messages are delivered, at most under of them at once.
func measure(s subject, clients, channels, deliveries, under int) (f figure, err error) {
	p, err := s.start()
	if err != nil {
		return f, err
	}
	defer p.stop()
	empty, err := p.resident()
	if err != nil {
		return f, err
	}
	before, err := p.cpu()
	if err != nil {
		return f, err
	}
	l := &load{counts: make([]atomic.Int64, channels)}
	defer l.close()
	if err := l.connect(s, p.address, clients); err != nil {
		return f, err
	}
	time.Sleep(2 * time.Second) // until it is idle
	connected, err := p.cpu()
	if err != nil {
		return f, err
	}
	full, err := p.resident()
	if err != nil {
		return f, err
	}
	f.setUp = float64((connected - before).Microseconds()) / float64(clients)
	f.memory = (full - empty) / float64(clients)

	publish, end, err := s.publisher(p)
	if err != nil {
		return f, err
	}
	defer end()
	messages := max(1, deliveries*channels/clients)
	if err := l.saturate(publish, messages, under); err != nil {
		return f, err
	}
	after, err := p.cpu()
	if err != nil {
		return f, err
	}
	f.cpu = float64((after - connected).Microseconds()) / float64(l.delivered.Load())
	return f, l.fault()
}

// A load is the clients.
type load struct {
	delivered atomic.Int64
	counts    []atomic.Int64 // deliveries of each channel
	listeners []int          // clients of each channel

	mu     sync.Mutex
	conns  []net.Conn // guarded by mu
	faults error      // guarded by mu; the first
	moved  chan struct{}
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.faults == nil {
		l.faults = err
	}
}

func (l *load) fault() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.faults
}

func (l *load) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		_ = c.Close()
	}
}

func channelName(i int) string { return "bench:" + strconv.Itoa(i) }

// connect opens the clients, each on its channel in turn, from several source
// addresses of loopback.
func (l *load) connect(s subject, address string, clients int) error {
	l.listeners = make([]int, len(l.counts))
	l.moved = make(chan struct{}, 1)
	var all sync.WaitGroup
	limit := make(chan struct{}, 32)
	for i := range clients {
		channel := i % len(l.counts)
		l.listeners[channel]++
		limit <- struct{}{}
		all.Go(func() {
			defer func() { <-limit }()
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(2+i%8))}
			dialer := net.Dialer{LocalAddr: from, Timeout: patience}
			c, err := dialer.Dial("tcp", address)
			if err != nil {
				l.fail(err)
				return
			}
			r := bufio.NewReaderSize(c, 1024)
			if err := s.join(c, r, channelName(channel)); err != nil {
				l.fail(err)
				return
			}
			l.mu.Lock()
			l.conns = append(l.conns, c)
			l.mu.Unlock()
			go l.read(r, channel) // ends with the connection
		})
	}
	all.Wait()
	return l.fault()
}

// read counts what comes, which must be 1, 2, 3 and so on.
func (l *load) read(r *bufio.Reader, channel int) {
	for next := int64(1); ; next++ {
		text, err := readText(r)
		if err != nil {
			return
		}
		_, after, _ := bytes.Cut(text, []byte(`{"n":`))
		digits, _, _ := bytes.Cut(after, []byte(","))
		if n, err := strconv.ParseInt(string(digits), 10, 64); err != nil || n != next {
			l.fail(fmt.Errorf("message %s came when %d was due", digits, next))
			return
		}
		l.delivered.Add(1)
		l.counts[channel].Add(1)
		select {
		case l.moved <- struct{}{}:
		default:
		}
	}
}

// saturate publishes to each channel in turn, with at most under messages that
// have not reached all their listeners.
func (l *load) saturate(publish func(channel, data string) error, messages, under int) error {
	pad := strings.Repeat("x", 128-len(`{"n":1000000,"pad":""}`))
	var sent []int // channel of each message under way, the oldest first
	numbers := make([]int64, len(l.counts))
	arrived := func(channel int, n int64) bool { return l.counts[channel].Load() >= n*int64(l.listeners[channel]) }
	wait := func() error {
		deadline := time.After(patience)
		for !arrived(sent[0], numbers[sent[0]]-int64(count(sent[1:], sent[0]))) {
			select {
			case <-l.moved:
			case <-deadline:
				return fmt.Errorf("no delivery for %v after %d", patience, l.delivered.Load())
			}
			if err := l.fault(); err != nil {
				return err
			}
		}
		sent = sent[1:]
		return nil
	}
	for m := range messages {
		if len(sent) >= under {
			if err := wait(); err != nil {
				return err
			}
		}
		channel := m % len(l.counts)
		numbers[channel]++
		if err := publish(channelName(channel), fmt.Sprintf(`{"n":%d,"pad":"%s"}`, numbers[channel], pad)); err != nil {
			return err
		}
		sent = append(sent, channel)
	}
	for len(sent) > 0 {
		if err := wait(); err != nil {
			return err
		}
	}
	return nil
}

func count(list []int, v int) (n int) {
	for _, other := range list {
		if other == v {
			n++
		}
	}
	return n
}

func upgrade(c net.Conn, r *bufio.Reader, path string) error {
	_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", path)
	if err != nil {
		return err
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.TrimSpace(line) == "" {
			return nil
		}
		if strings.HasPrefix(line, "HTTP/1.1") && !strings.Contains(line, "101") {
			return fmt.Errorf("the upgrade is answered with %s", line)
		}
	}
}

func writeText(c net.Conn, text string) error {
	_, err := c.Write(ws.MustCompileFrame(ws.MaskFrame(ws.NewTextFrame([]byte(text)))))
	return err
}

func readText(r *bufio.Reader) ([]byte, error) {
	h, err := ws.ReadHeader(r)
	if err != nil {
		return nil, err
	}
	data := make([]byte, h.Length)
	_, err = io.ReadFull(r, data)
	return data, err
}
