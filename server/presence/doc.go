// Package presence knows who is in a channel: the members, each once however
// many sessions they have, and how many guests.
//
// Who is here are the [Session] that entered, and no others: to see is to be
// seen, and who only hears a channel costs nothing. A [Rosters] has a roster for
// each channel that a session of this node has entered. Where there are other
// nodes, it tells them who is here, all of it whenever that changes, and keeps what
// they said last; the union of it is what sessions are shown, and told when it
// changes. How nodes reach each other is a [Nodes].
//
// What a node said ends with its life: each holds a lease in the broker, and the
// others look whether it is there. After a break of its connection to the broker
// a node says all, and asks all, anew.
//
// The package opens no connection and knows no policy: who may enter is for the
// server to say.
package presence
