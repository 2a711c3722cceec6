package reactor

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestEventOfFormerSocket takes an event from the kernel and looks its socket
// up later, when the slot is free, and when another socket has it.
func TestEventOfFormerSocket(t *testing.T) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(epoll) })
	p := &poller{epoll: epoll} // without a loop: the test is it
	former, event := registered(t, p)
	if got := p.find(&event); got != former {
		t.Fatalf("find() = %p, want the socket %p of the event", got, former)
	}

	index := former.slot
	p.release(index)
	if got := p.find(&event); got != nil {
		t.Errorf("find() of a free slot = %p, want nil", got)
	}

	latter, its := registered(t, p)
	if latter.slot != index {
		t.Fatalf("the second socket has slot %d, want %d again", latter.slot, index)
	}
	if got := p.find(&event); got != nil {
		t.Errorf("find() of an event of the former socket = %p, want nil", got)
	}
	if got := p.find(&its); got != latter {
		t.Errorf("find() = %p, want the socket %p that has the slot now", got, latter)
	}

	p.release(latter.slot)
	for _, e := range []unix.EpollEvent{event, its} {
		if got := p.find(&e); got != nil {
			t.Errorf("find() of a slot that is free again = %p, want nil", got)
		}
	}
}

// registered is a new socket of p, with the event of it that comes first: it
// may be written to.
func registered(t *testing.T, p *poller) (*socket, unix.EpollEvent) {
	t.Helper()
	server, _ := tcpPair(t)
	fd, err := detach(server)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	s := &socket{poller: p, fd: int32(fd), slot: noSlot}
	if err := p.register(s); err != nil {
		t.Fatal(err)
	}
	p.poll()
	if p.ready != 1 {
		t.Fatalf("epoll has %d events, want 1", p.ready)
	}
	return s, p.events[0]
}

// TestNewWithoutDescriptors checks that a Reactor that cannot duplicate a
// descriptor leaves it where it is: the socket works, with goroutines.
func TestNewWithoutDescriptors(t *testing.T) {
	r, err := NewReactor()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	server, client := tcpPair(t)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: limit.Max}); err != nil {
		t.Fatal(err)
	}
	handler := newRecorder(t)
	conn := r.New(server, handler)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if _, ok := conn.(*socket); ok {
		t.Error("New() has a descriptor of its own, though there was none left")
	}
	conn.Start(nil)
	if !conn.Write([]byte("out")) {
		t.Error("Write() = false, want true")
	}
	conn.Close([]byte(" and end"))
	if got := wait(t, readAll(client), "all bytes"); string(got) != "out and end" {
		t.Errorf("peer got %q, want %q", got, "out and end")
	}
	client.Close()
	_ = wait(t, handler.closed, "Closed")
}
