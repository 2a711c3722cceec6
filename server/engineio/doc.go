// Package engineio is a live Engine.IO server, versions 3 and 4: sessions over
// HTTP long-polling, JSONP and WebSocket, and the upgrade from one to the other.
// Clients of Socket.IO 0.9, which is older than Engine.IO, have such sessions
// too, in version 1 (PROTOCOL.md chapter 7), and so have those who only listen,
// by plain HTTP: [Server.NewPlain].
//
// A [Server] is an [net/http.Handler] that opens a [Session] for each client
// and tells the application by a [Receiver]. What is sent is a [Frame]: a
// message encoded once, for every session of a version and for both
// transports. PROTOCOL.md chapters 2 to 4 are the specification.
//
// Which pages may use a transport is up to Options.Transports; by default those
// of the server's own host and port, who need no CORS headers. The package does
// not match paths and keeps no timeouts of the HTTP server: they belong to
// whoever mounts it. It knows nothing of Socket.IO.
//
// # A session
//
// It begins with a handshake on either transport, is one ordered stream of
// messages each way whatever the transport does, and ends once: when a peer or
// the application closes it, when a heartbeat is missing, when the transport
// fails, or when the client is so slow that its queue is over the budget. The
// Receiver learns the reason, one of the Reason constants or the
// application's own.
//
// # Concurrency
//
// All methods of Server and Session may be called from any goroutine. Those of
// Session never wait and never call the Receiver. Calls of one Receiver never
// overlap: they come from the goroutine of the POST or from the one that reads
// the WebSocket.
//
// Locks: the table of sessions and a session are never locked at once; the
// lock of a socket in reactor is a leaf below the session's, and so is that of
// a parked connection, but for its poller's.
//
// # Connections of HTTP
//
// With Options.Sockets epoll the connections of polls and POSTs are hijacked, as
// those of WebSockets are: they wait in the reactor for the answer and for the
// next request, and that is read by a Serve of their own [net/http.Server]. Its
// ConnState sees a new connection then, its BaseContext and ConnContext are
// called again, and its Shutdown does not wait for polls: Server.Shutdown
// answers them.
package engineio
