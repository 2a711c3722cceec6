// Package load puts a server under load and checks what it delivers.
//
// A [Swarm] is many clients, spread over channels. One goroutine, the caller's,
// does all that happens after they have joined: it waits for their sockets (on
// Linux by an epoll of its own), checks each message, answers heartbeats and
// publishes, so that nothing is locked and no message wakes a goroutine. Each
// message carries its channel, its number in that channel and the time at which
// it was due; every client must get 1, 2, 3 and so on ([Faults] is what it got
// instead).
//
// [Swarm.Saturate] publishes as fast as messages arrive. [Swarm.Pace] plans all
// publishes ahead and counts latency from the planned time, so that a server
// that stalls the publisher is not flattered.
//
// A [Protocol] is how a client joins a channel; [EngineIO] has those of the
// stream server. [Park] holds long-polling clients.
//
// # Concurrency
//
// The methods of a Swarm belong to one goroutine.
package load
