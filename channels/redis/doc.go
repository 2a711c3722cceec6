// Package redis is a [channels.Broker] on a Redis server: exact SUBSCRIBE of
// the channels in use, and PUBLISH.
//
// A [Broker] has one connection that it subscribes on and a pool that it
// publishes on. What is to be subscribed is kept apart from what was sent and
// from what Redis has confirmed, so that nothing is lost when the connection
// breaks, or when a channel is left and entered again before Redis has
// answered. A connection that is silent for too long is dead: PING goes out
// every few seconds, and an answer has to come.
//
// Only exact names are subscribed, never patterns. Redis Cluster and Sentinel
// are not known yet.
//
// # Concurrency
//
// All methods may be called from any goroutine. Listen and Unlisten never
// wait. Two goroutines serve a connection: one reads, and calls the sink,
// which never blocks; the other writes. Neither waits for the other.
package redis
