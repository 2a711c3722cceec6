// Package channels is the map of channels: tag, such as
// "feed:football:fantasy", to session id to [Client].
//
// A [Message] comes from a [Broker], is numbered, and walks the clients of its
// [Channel] in order. Subscribing and publishing meet under the lock of the
// channel, so that nothing falls between the position a client is told and the
// first message it gets. The first client of a channel makes the broker listen
// to it; some time after the last one left, the broker is told to stop.
//
// The package knows no socket, no HTTP and no Redis: brokers are in
// [github.com/sb-stream/stream-server/channels/redis] and
// [github.com/sb-stream/stream-server/channels/embedded].
package channels
