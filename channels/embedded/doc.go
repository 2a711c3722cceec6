// Package embedded is a [channels.Broker] within this process, for a server
// that has no Redis. Web servers talk to it as they would to Redis.
//
// A [Broker] listens for Redis clients, who speak RESP. It answers what they
// send when they connect, PUBLISH, and PUBSUB NUMSUB, and refuses the rest
// with an error that says what to do instead. The answer to PUBLISH is the
// number of sessions reached.
//
// # Concurrency
//
// Each client has a goroutine, which walks the channel itself: the messages of
// one client are in the order in which it sent them, and those of several in
// the order in which they get the lock of the channel. A client that does not
// read its answers waits for nobody but itself. All methods may be called from
// any goroutine.
package embedded
