package socketio_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/internal/redistest"
	"github.com/sb-stream/stream-server/server/socketio"
)

// A member is a connected client, from both ends.
type member struct {
	*poller
	conn socketio.Conn
}

// join connects clients to "/", the i-th with the rooms named after a colon.
func join(t *testing.T, s *socketio.Server, base string, rooms ...string) []member {
	t.Helper()
	conns := make(chan socketio.Conn, 1)
	s.OnConnect("/", func(c socketio.Conn) error { conns <- c; return nil })
	list := make([]member, len(rooms))
	for i := range rooms {
		list[i].poller = open(t, base, "4")
		list[i].post("40")
		list[i].conn = <-conns
		list[i].poll()
		for room := range strings.FieldsSeq(rooms[i]) {
			list[i].conn.Join(room)
		}
	}
	return list
}

// heard is who got exactly this, as numbers; the others got nothing.
func heard(t *testing.T, list []member, want string) string {
	t.Helper()
	var who []string
	for i, m := range list {
		m.conn.Emit("end")
		switch got := m.poll(); got {
		case want + "\x1e42[\"end\"]":
			who = append(who, fmt.Sprint(i))
		case `42["end"]`:
		default:
			t.Errorf("client %d got %q, want %q", i, got, want)
		}
	}
	return strings.Join(who, " ")
}

func TestBroadcast(t *testing.T) {
	s, base := newServer(t)
	list := join(t, s, base, "a", "a b", "b c", "")
	emit := func(b socketio.Broadcast) func() {
		return func() {
			if _, err := b.Emit("x", 1); err != nil {
				t.Error(err)
			}
		}
	}
	toA := s.Of("/").To("a")
	for _, tt := range []struct {
		name string
		send func()
		want string
	}{
		{"namespace", emit(s.Of("/")), "0 1 2 3"},
		{"another namespace", emit(s.Of("/custom")), ""},
		{"no namespace", emit(s.Of("/nowhere")), ""},
		{"room", emit(toA), "0 1"},
		{"two rooms, without doubles", emit(toA.To("b")), "0 1 2"},
		{"the base has not changed", emit(toA), "0 1"},
		{"no rooms", emit(s.Of("/").To()), ""},
		{"empty room", emit(s.Of("/").To("nobody")), ""},
		{"except a room", emit(toA.To("b").Except("c")), "0 1"},
		{"except an id", emit(s.Of("/").Except(list[3].conn.ID(), list[0].conn.ID())), "1 2"},
		{"an id", emit(s.Of("/").To(list[3].conn.ID())), "3"},
		{"all but the sender", emit(list[1].conn.Broadcast()), "0 2 3"},
		{"a room but the sender", emit(list[1].conn.Broadcast().To("a")), "0"},
		{"volatile, and nobody polls", emit(s.Of("/").Volatile()), ""},
		{"as go-socket.io: room", func() { s.BroadcastToRoom("", "b", "x", 1) }, "1 2"},
		{"as go-socket.io: namespace", func() { s.BroadcastToNamespace("/", "x", 1) }, "0 1 2 3"},
	} {
		tt.send()
		if got := heard(t, list, `42["x",1]`); got != tt.want {
			t.Errorf("%s: heard by %q, want %q", tt.name, got, tt.want)
		}
	}
	if n, err := s.Of("/").To("a").Emit("x", []byte{1, 2, 3}); n != 2 || err != nil {
		t.Errorf("Emit = %d, %v, want 2 receivers", n, err)
	}
	if got := heard(t, list, "451-[\"x\",{\"_placeholder\":true,\"num\":0}]\x1ebAQID"); got != "0 1" {
		t.Errorf("binary: heard by %s", got)
	}
	for _, bad := range []func() error{
		func() error { _, err := s.Of("/").Emit("connect"); return err },
		func() error { _, err := s.Of("/").Emit("x", make(chan int)); return err },
	} {
		if bad() == nil {
			t.Error("Emit of what cannot be sent has no error")
		}
	}
}

func TestRooms(t *testing.T) {
	s, base := newServer(t)
	list := join(t, s, base, "a", "a b")
	ids := []string{list[0].conn.ID(), list[1].conn.ID()}
	rooms := func() string {
		names := s.Rooms("/")
		slices.Sort(names)
		names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(ids, name) })
		return strings.Join(names, " ")
	}
	if got := rooms(); got != "a b" || s.RoomLen("/", "a") != 2 || s.RoomLen("", "b") != 1 || s.RoomLen("/", ids[0]) != 1 {
		t.Errorf("rooms %q, a %d, b %d", got, s.RoomLen("/", "a"), s.RoomLen("/", "b"))
	}
	if got := list[1].conn.Rooms(); !slices.Equal(got, []string{ids[1], "a", "b"}) {
		t.Errorf("Rooms = %v", got)
	}
	if s.RoomLen("/nowhere", "a") != -1 || s.Rooms("/nowhere") != nil || s.RoomLen("/", "none") != 0 {
		t.Error("a namespace or a room that is not there")
	}
	var each []string
	s.ForEach("/", "a", func(c socketio.Conn) { each = append(each, c.ID()); c.Leave("a") })
	slices.Sort(each)
	if want := slices.Sorted(slices.Values(ids)); !slices.Equal(each, want) {
		t.Errorf("ForEach = %v, want %v", each, want)
	}
	if got := rooms(); got != "b" {
		t.Errorf("after Leave: %q", got)
	}
	if !s.JoinRoom("/", "c", list[0].conn) || s.JoinRoom("/custom", "c", list[0].conn) || s.JoinRoom("/nowhere", "c", list[0].conn) {
		t.Error("JoinRoom does not look at the namespace")
	}
	s.JoinRoom("/", "d", list[0].conn)
	s.LeaveRoom("/", "c", list[0].conn)
	if got := rooms(); got != "b d" {
		t.Errorf("after LeaveRoom: %q", got)
	}
	if !s.ClearRoom("/", "b") || s.ClearRoom("/nowhere", "b") {
		t.Error("ClearRoom does not look at the namespace")
	}
	s.LeaveAllRooms("/", list[0].conn)
	if got := rooms(); got != "" {
		t.Errorf("after ClearRoom and LeaveAllRooms: %q", got)
	}
	list[0].conn.Join("a")
	gone := make(chan []string, 2)
	s.OnDisconnect("/", func(c socketio.Conn, _ string) { gone <- c.Rooms() })
	list[0].post("41")
	if got := <-gone; !slices.Equal(got, []string{ids[0], "a"}) {
		t.Errorf("the handler of the disconnect sees the rooms %v", got)
	}
	if n := s.RoomLen("/", "a"); n != 0 { // the POST was answered after it had left
		t.Errorf("room a has %d after its client left", n)
	}
	list[0].conn.Join("a")
	if s.RoomLen("/", "a") != 0 || list[0].conn.Rooms() != nil {
		t.Error("a client joined after it had left")
	}
}

func TestBroadcastWithAck(t *testing.T) {
	s, base := newServer(t)
	list := join(t, s, base, "a", "a", "")
	ask := func(ctx context.Context, b socketio.Broadcast) chan string {
		done := make(chan string, 1)
		go func() {
			answers, err := b.EmitWithAck(ctx, "ask", 1)
			sum := 0
			for _, a := range answers {
				var n int
				if a.Scan(&n) == nil {
					sum += n
				}
			}
			done <- fmt.Sprint(len(answers), sum, err)
		}()
		return done
	}
	done := ask(t.Context(), s.Of("/").To("a"))
	for i, m := range list[:2] {
		if got := m.poll(); got != `421["ask",1]` {
			t.Fatalf("the poll = %q", got)
		}
		m.post(fmt.Sprintf("431[%d]", i+1))
	}
	if got := <-done; got != "2 3 <nil>" {
		t.Errorf("all answer: %s", got)
	}
	if got := <-ask(t.Context(), s.Of("/").To("nobody")); got != "0 0 <nil>" {
		t.Errorf("nobody is there: %s", got)
	}
	done = ask(t.Context(), s.Of("/").To("a"))
	list[0].poll()
	list[1].poll()
	list[0].post("433[5]")
	list[1].post("41")
	if got := <-done; got != "1 5 <nil>" {
		t.Errorf("one answers, the other leaves: %s", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done = ask(ctx, s.Of("/").To("a"))
	list[0].poll()
	cancel()
	if got := <-done; got != "0 0 context canceled" {
		t.Errorf("nobody answers: %s", got)
	}
}

func TestVolatile(t *testing.T) {
	s, base := newServer(t)
	m := join(t, s, base, "")[0]
	if m.conn.EmitVolatile("lost") {
		t.Error("a volatile event is sent though no poll waits")
	}
	got := make(chan string)
	go func() { got <- m.poll() }()
	for !m.conn.EmitVolatile("first") {
		runtime.Gosched() // until the poll is there
	}
	if m.conn.EmitVolatile("second") {
		t.Error("a second volatile event is sent, while the poll is being answered")
	}
	if got := <-got; got != `42["first"]` {
		t.Errorf("the poll = %q", got)
	}
}

// Two servers with an adapter on one Redis.
func TestAdapter(t *testing.T) {
	redis := redistest.Start(t, "--requirepass", "secret")
	opts := func() *socketio.RedisAdapterOptions {
		return &socketio.RedisAdapterOptions{Addr: redis.Addr(), Password: "secret", Prefix: "chat"}
	}
	var lists [2][]member
	var servers [2]*socketio.Server
	for i := range servers {
		s, base := newServer(t)
		if ok, err := s.Adapter(opts()); !ok || err != nil {
			t.Fatal(err)
		}
		servers[i], lists[i] = s, join(t, s, base, "a", "b")
	}
	if ok, err := servers[0].Adapter(opts()); ok || err == nil {
		t.Error("a second adapter is taken")
	}
	poll := func(m member, want string) {
		t.Helper()
		if got := m.poll(); got != want {
			t.Errorf("the poll = %q, want %q", got, want)
		}
	}
	servers[0].BroadcastToRoom("/", "a", "x", "é", []byte{1})
	for _, list := range lists {
		poll(list[0], "451-[\"x\",\"é\",{\"_placeholder\":true,\"num\":0}]\x1ebAQ==")
	}
	if _, err := lists[1][0].conn.Broadcast().Emit("y"); err != nil {
		t.Error(err)
	}
	poll(lists[0][0], `42["y"]`)
	poll(lists[0][1], `42["y"]`)
	poll(lists[1][1], `42["y"]`)
	servers[1].ClearRoom("/", "a")
	servers[1].BroadcastToNamespace("/", "z")
	poll(lists[0][0], `42["z"]`)
	if n := servers[0].RoomLen("/", "a"); n != 0 {
		t.Errorf("room a has %d on the other node after ClearRoom", n)
	}

	s, _ := newServer(t)
	for _, bad := range []*socketio.RedisAdapterOptions{
		{Addr: redis.Addr()}, {Addr: redis.Addr(), Password: "wrong"}, {Network: "unix"}, {Host: "127.0.0.1", Port: "1"}, {Addr: "127.0.0.1:1"},
	} {
		if ok, err := s.Adapter(bad); ok || err == nil {
			t.Errorf("Adapter(%+v) = %v, %v, want an error", bad, ok, err)
		}
	}

	faults := make(chan error, 1)
	servers[0].OnError("/", func(_ socketio.Conn, err error) { faults <- err })
	redis.Kill()
	servers[0].BroadcastToNamespace("/", "alone")
	poll(lists[0][0], `42["alone"]`)
	if err := <-faults; err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("OnError heard %v of a broadcast without Redis", err)
	}
}
