package engineio

import "net"

// close ends the connection, and the poll that it waits for.
func (k *parked) close() {
	k.mu.Lock()
	a := k.asked
	owned := k.leaveLocked()
	k.mu.Unlock()
	if !owned {
		return
	}
	if a != nil { // what it has not taken is dropped
		_ = k.conn.SetLinger(0)
	}
	_ = k.conn.Close()
	if a != nil {
		a.session.polled(a.poll, true)
	}
	k.server.running.Done()
}

// leaveLocked takes the connection from the reactor. It is true for one caller,
// who owns it then.
func (k *parked) leaveLocked() bool {
	if k.stage == left {
		return false
	}
	k.stage = left
	k.asked, k.rest = nil, nil
	k.watch.Leave()
	k.server.parking.Stop(k)
	return true
}

// handBack gives the connection to its http.Server, which reads the next
// request.
func (k *parked) handBack() {
	k.mu.Lock()
	owned := k.leaveLocked()
	k.mu.Unlock()
	if !owned {
		return
	}
	defer k.server.running.Done()
	l := &single{conn: k.conn, addr: k.conn.LocalAddr()}
	if len(k.early) > 0 {
		l.conn = &pipelined{TCPConn: k.conn, early: k.early}
	}
	_ = k.web.Serve(l) // which returns at once
	if l.conn != nil { // it shuts down
		_ = k.conn.Close()
	}
}

// A single is a listener with one connection, for an http.Server to take. Its
// methods belong to the goroutine of Serve.
type single struct {
	conn net.Conn // nil once it is taken
	addr net.Addr
}

func (l *single) Accept() (net.Conn, error) {
	c := l.conn
	if c == nil {
		return nil, net.ErrClosed
	}
	l.conn = nil
	return c, nil
}

func (l *single) Close() error { return nil } // by http.Server.Close too, at any time

func (l *single) Addr() net.Addr { return l.addr }
