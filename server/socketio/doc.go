// Package socketio is a Socket.IO server for every client there is: namespaces,
// events, acks both ways, binary and rooms over the sessions of
// [github.com/sb-stream/stream-server/server/engineio].
//
//	s := socketio.NewServer(nil)
//	s.OnEvent("/", "add", func(c socketio.Conn, a, b int) int { return a + b })
//	http.Handle("/socket.io/", s)
//
// A [Server] calls handlers of any signature ([NewHandler]). A [Conn] is one
// client in one namespace; it sends events, and is what handlers get. A
// [Broadcast] says who is to get an event of many, and a [Message] is such an
// event: it is encoded once for each dialect of the protocol and not once for
// each client.
//
// The names are those of github.com/googollee/go-socket.io v1.7.0, whose
// programs compile with this package's path in the place of its own;
// docs/from-go-socket.io.md says what differs.
//
// Clients of Engine.IO 4 speak version 5 of the Socket.IO protocol, those of
// Engine.IO 3 version 4, and 0.9 its own; PROTOCOL.md chapters 5 and 7 tell the
// difference, and handlers see none. The package knows no channels and no
// history. Redis is there for [Server.Adapter] alone.
//
// # Concurrency
//
// The handlers of one client run one at a time, in the order in which its
// packets came: a handler that waits keeps its own client waiting and nobody
// else. All methods of Server and Conn may be called from any goroutine, in
// handlers too. None blocks but those that wait for acks, and those that end
// the Server.
//
// Locks, in the order in which they may be taken: that of a namespace, which is
// held during the walk of a broadcast and makes its order the same for all,
// then that of a Conn, then those of engineio. None is held while a handler
// runs.
package socketio
