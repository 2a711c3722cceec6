// Package reactor owns the sockets: it reads from them and writes to them, and
// knows no protocol.
//
// A [Conn] takes what is to be written and never waits; a [Handler] is told
// what arrived, when there is room again, and once that the socket is gone.
// That seam is all the layers above see, so that how sockets are waited for
// can change under them (DESIGN.md section 5). There are two ways: the sockets of
// a [Reactor] are waited for by a few goroutines, on epoll; those of [New] have
// one goroutine each that reads, and another only while there are bytes that
// the kernel did not take at once.
//
// A [Watch] is for connections that are not the reactor's: those of HTTP wait
// with it between two requests.
//
// # Concurrency
//
// The methods of a Conn may be called from any goroutine, the Handler's own
// calls and locks of its owner included: they never wait and never call the
// Handler. Locks here are below those of callers; that of a Conn is taken before
// its poller's. Read calls do not overlap each other,
// nor do Writable calls; a Read and a Writable may run at once. Closed is the
// last call of all.
package reactor

// A Handler is the owner of one socket.
type Handler interface {
	// Read takes bytes that arrived. p is the handler's to change, during the
	// call only.
	Read(p []byte)

	// Writable says that Write takes again, after it took something that had
	// to wait or took nothing.
	Writable()

	// Closed says that the socket is gone: io.EOF when the peer ended it,
	// net.ErrClosed after Close or Abort.
	Closed(err error)
}

// A Conn is one socket.
type Conn interface {
	// Start begins to read. early is what was read from the socket before: it
	// is the Conn's from now on, and goes to the handler first. Start is called
	// once, for every Conn, even one that was closed before: Closed follows it.
	Start(early []byte)

	// Write takes all of buf or nothing, and never waits. It keeps what it
	// cannot send at once by reference, so that buf must not change any more.
	// False means busy or closed: Writable or Closed follows. It is the sixth
	// hop of a message: one system call, and no allocation if that sends all.
	Write(buf []byte) bool

	// WriteAll is Write of several buffers as one. The slice that holds them is
	// free again when it returns.
	WriteAll(bufs ...[]byte) bool

	// Busy reports whether something that Write took has yet to be sent.
	Busy() bool

	// Close sends what was taken and then last, ends the stream, and waits a
	// moment for the peer to end it too. All of that is bounded in time.
	Close(last ...[]byte)

	// Abort closes at once and drops what has not been sent.
	Abort()
}
