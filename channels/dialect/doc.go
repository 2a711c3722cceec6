// Package dialect is how web servers publish that were written for other
// systems: under which names in Redis, and in which form.
//
// A [Set] holds those that are switched on. It says by which names of Redis a
// channel is heard, all of them exact, and makes of what comes on a name the
// [Message] that it is. A message that has an event's name of its own becomes
// JSON of this form, as Laravel sends it already:
//
//	{"event": "goal", "data": first argument, "more": [the others], "attachments": [base64]}
//
// and may say who is not to get it: "socket", a session, and "except", sessions
// and channels; "rooms" is there when it goes to several channels. What the
// clients of a channel get of it is the server's affair.
//
// [SocketIO] is what @socket.io/redis-emitter, @socket.io/redis-adapter and the
// packages before them publish. [Laravel] is what Laravel's Redis broadcaster does.
//
// The package opens no connection. Its methods may be called from any
// goroutine.
package dialect
