// Package server is the stream server: between web servers, which publish to
// channels, and browsers, which hear them.
//
// # The two maps
//
// [Sessions] is the map of sessions: session id → the thing that can send to
// it. [channels.Channels] is the map of channels: tag, such as
// "feed:football:fantasy" → session id → client. The key of both is the public
// id of a session, one for each connection.
//
// # The walk of a message
//
// Six hops, each downwards:
//
//  1. a broker (channels/redis, channels/embedded) or /api/publish brings it;
//  2. Server.Message in deliver.go makes JSON of it, and encodes it once for
//     each dialect when the first client of that dialect needs it;
//  3. [channels.Channels.Publish] numbers it and walks the clients of the channel;
//  4. client.Send in client.go passes it on;
//  5. engineio.Session.Send queues it and never blocks;
//  6. reactor.Conn.Write sends it.
//
// # The walk of a subscription
//
// The browser's request comes up through reactor or net/http, engineio and
// socketio to comet.go, which takes the six steps of DESIGN.md section 1:
//
//  1. accept the comet request: Server.subscribe;
//  2. find out whether the user is a member and get the id, or make a random
//     one: member.go and package identity, when the connection begins and
//     whenever it says or shows that it is somebody else;
//  3. take the channel and wait for the web server's message: client.hear and
//     [channels.Channels.Subscribe], whose first client makes the broker listen;
//  4. place the response in the session's queue: the ack, once the broker has
//     confirmed;
//  5. get the message of the channel: the walk above;
//  6. send it to the browser.
//
// # Locks
//
// In the order in which they may be taken: client.mu, members.mu, agenda.mu
// or the lock of package presence, Channels.mu, Channel.mu, and below them those of engineio and reactor. Channels.mu is not
// held while waiting for a Channel.mu. Sessions.mu, nodes.mu and those of rates
// are taken alone. None is held over the network.
package server
