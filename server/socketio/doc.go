// Package socketio is a Socket.IO server: namespaces, events and acks over the
// sessions of [github.com/sb-stream/stream-server/server/engineio].
//
// A [Server] calls handlers, which are registered before it serves. A [Conn]
// is one client in one namespace; it sends events, and is what handlers get. A
// [Message] is an event that goes to many: it is encoded once for each dialect
// of the protocol and not once for each client.
//
// Clients of Engine.IO 4 speak version 5 of the Socket.IO protocol and those
// of Engine.IO 3 version 4; PROTOCOL.md chapter 5 tells the difference. The
// package knows no channels and no Redis.
//
// # Concurrency
//
// The handlers of one client run one at a time, in the order in which its
// packets came, on the goroutine that read them: a handler that waits keeps
// its own client waiting and nobody else. All methods of Conn may be called
// from any goroutine; none blocks.
package socketio
