// Package web is the web server's side: it sends messages to the browsers that
// listen to a channel, through Redis or through the embedded broker of a
// stream server.
//
//	err := web.Stream(ctx, "feed:football:fantasy", map[string]int{"goal": 1})
//
// That is one Redis PUBLISH of the JSON of the data to the channel's name with
// "sb:" before it, and nothing else: any Redis client in any language does the
// same. The stream servers that have listeners of the channel pass it on.
//
// [Stream] takes the address of Redis from the environment: SB_REDIS, such as
// redis://:password@10.0.0.5:6379/0, else redis://127.0.0.1:6380, where a
// stream server without a Redis listens; and SB_REDIS_PREFIX, else "sb:". They
// are the variables of the stream server itself, and are read at the first
// call. A program that wants to say so in code makes a [Publisher] with [New].
//
// # TLS
//
// With rediss:// in place of redis:// Redis must show a certificate for the
// host of the URL, from an authority that the system knows or the file that
// SB_REDIS_CA names (PEM). SB_REDIS_CERT and SB_REDIS_KEY are the files of a
// client certificate, if Redis asks for one; in code all three are the TLS of
// the [Config]. A call to a Redis with another certificate is an error, and
// nothing is sent.
//
// # Delivery
//
// A nil error says that Redis took the message, not that anybody heard it:
// PUBLISH keeps nothing. With [Durable] it is an XADD, and Redis keeps the newest
// 100,000 messages or so of all channels together (SB_STREAM_MAX), spread over as
// many streams as SB_STREAM_PARTITIONS says, which the stream servers must be told
// too:
//
//	err := web.Stream(ctx, "order:42", order, web.Durable())
//
// Listeners that were away get what is kept when they come back. After an error the message may have been published
// nevertheless, and is not sent twice by this package. Stream servers refuse a
// message over their --max-publish, 1 MiB by default, and tell its listeners
// of the gap.
//
// # Concurrency
//
// [Stream] and the methods of a [Publisher] may be called by any number of
// goroutines at once. Each call has a connection of a pool for itself, so that
// messages of one goroutine keep their order, and those of several have none.
package web
