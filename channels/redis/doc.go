// Package redis is a [channels.Broker] on a Redis server: exact SUBSCRIBE of
// the channels in use, and PUBLISH.
//
// A [Broker] has one connection that it subscribes on and a pool that it
// publishes on. What is wanted, what was sent and what Redis has confirmed are
// kept apart (subscriptions.go, a state machine without input or output), so
// that no wish is lost when the connection breaks, or when a channel is left
// and entered again before Redis has answered. Answers are matched to commands
// in order; one that does not fit ends the connection, and so does silence:
// PING goes out every few seconds, and an answer has to come.
//
// When the connection is lost, the sink and the log are told once, the
// connection is made again, and everything that is wanted is subscribed to
// anew. Clients keep their connections meanwhile. RELIABILITY.md rows F1 to F5
// say in which time; sections 2 and 4 of DESIGN.md say what goes where.
//
// Only exact names are subscribed to, never patterns. A message over the limit
// is read whole before it is dropped. Redis Sentinel, Redis Cluster and
// durable messages are not known here. The ACL that suffices: +ping
// +subscribe +unsubscribe +publish, +select for a database other than 0, and
// the channels under the prefix.
//
// # Concurrency
//
// All methods may be called from any goroutine, Run once. Listen and Unlisten
// only note a wish and never wait. Two goroutines serve a connection: one
// reads, the other writes, neither waits for the other, and both call the
// sink, which never blocks. No lock is held while they do.
package redis
