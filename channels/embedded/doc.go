// Package embedded is a [channels.Broker] within this process, for a server
// that has no Redis. Web servers talk to it as they would to Redis.
//
// A [Broker] listens for Redis clients, who speak RESP. It answers what they
// send when they connect, PUBLISH, XADD, and PUBSUB NUMSUB, and refuses the rest
// with an error that says what to do instead. The answer to PUBLISH is the
// number of sessions reached.
//
// What comes by XADD is kept, within bounds of number, bytes and age (stream.go):
// in memory, and with a directory in a file too (store.go). Then XADD is answered
// once the message is on the disk, and many share one fsync.
//
// # Concurrency
//
// Each client has a goroutine, which walks the channel itself: the messages of
// one client are in the order in which it sent them, and those of several in
// the order in which they get the lock of the channel. A client that does not
// read its answers waits for nobody but itself. All methods may be called from
// any goroutine.
//
// XADDs go to one goroutine, which gives the ids, keeps the messages and delivers
// them, in that order; so durable messages have one order for all clients.
package embedded
