package reactor

// A Guest is the owner of a connection that waits in a Reactor and stays a
// connection of package net: a [Watch] tells what happens to it, and reads
// nothing.
type Guest interface {
	// Event comes from the goroutine of a poller. One may still come after
	// Leave, for it may be under way.
	Event(e Event)
}

// An Event is a set of things that have happened.
type Event uint8

// The elements of an Event.
const (
	Readable Event = 1 << iota // there are bytes to read, or the end
	Ended                      // the peer sends no more; what it sent may be unread
	Writable                   // there is room, after AwaitRoom
	Failed                     // the connection is good for nothing any more
	Called                     // Call or CallAll was called
)
