// Package redis is a [channels.Broker] on Redis: exact SUBSCRIBE of the channels
// in use, and PUBLISH.
//
// A [Broker] has links (link.go), connections that it subscribes on, each channel
// on one of them, and a way (way.go), the pool that it publishes on. What is
// wanted on a link, what was sent and what Redis has confirmed are kept apart
// (subscriptions.go, a state machine without input or output), so that no wish is
// lost when the connection breaks, or when a channel is left and entered again
// before Redis has answered. Answers are matched to commands in order; one that
// does not fit ends the connection, and so does silence: PING goes out every few
// seconds, and an answer has to come.
//
// When a connection is lost, the sink and the log are told once, the connection
// is made again, and everything that is wanted on it is subscribed to anew.
// Clients keep their connections meanwhile. RELIABILITY.md rows F1 to F5 say in
// which time; sections 2 and 4 of DESIGN.md say what goes where.
//
// Behind Sentinels (sentinel.go) each connection leads to the primary that they
// name; one to a Redis that is it no longer is given up. On a Redis Cluster
// (cluster.go) there is a link to each primary, SPUBLISH takes the place of
// PUBLISH, each SSUBSCRIBE has a SUBSCRIBE before it for who publishes by the
// other (classic.go), and a channel whose slot goes to another primary goes there
// too. Streams are read by one tail (tail.go), and on a Cluster
// by one for each.
//
// Only exact names are subscribed to, never patterns. A message over the limit
// is skipped as it comes, and an answer that no Redis gives ends the
// connection, so that whoever answers takes no memory by it.
//
// A [Store] looks values up that others keep in Redis; it shares nothing with a
// Broker but the way to connect.
//
// The ACL that suffices stands in docs/security.md. What of it is missing is an
// error of Ping at the start. Later it is looked at every few seconds, and Up
// is false while this user may not subscribe.
//
// # Concurrency
//
// All methods may be called from any goroutine, Run once. Listen and Unlisten
// only note a wish and never wait. Two goroutines serve a link: one reads, the
// other writes, neither waits for the other, and both call the sink, which never
// blocks. On a Cluster a third, of Run, moves channels between links. No lock is
// held while they call; cluster.mu is taken before link.mu.
package redis
