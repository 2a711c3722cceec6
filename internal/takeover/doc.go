// Package takeover hands listening sockets from one process to the next on the
// same machine, so that no connection is refused or reset in between.
//
// Both share the sockets for a while, and with them the queues of connections
// that the kernel has accepted: whoever takes one serves it. A second socket on
// the same port (SO_REUSEPORT) would have a queue of its own, and lose what is in
// it when it is closed.
//
// The process that serves listens on a Unix socket, a [Post]; the next one
// connects to it. One packet of JSON each:
//
//	> {"version":1}
//	< {"version":1,"listeners":[{"name":"http","address":":8080"},…]}  and their descriptors (SCM_RIGHTS)
//	> {"ready":true}      it accepts from them, and can serve who comes
//	< {"leaving":true}    the old one accepts no more
//
// or, from the one that serves, {"error":"…"}. If the next one ends before it is
// ready, nothing has changed. Each looks whether the other runs as the same user
// (SO_PEERCRED). The next one takes the place of the Unix socket last, by
// renaming its own over it.
//
// It works on Linux.
package takeover

import "net"

// A Listener is a listening socket, under its name and the address that the
// configuration has for it.
type Listener struct {
	Name    string       `json:"name"`
	Address string       `json:"address"`
	Socket  net.Listener `json:"-"`
}
