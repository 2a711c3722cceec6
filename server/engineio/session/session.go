// Package session holds what a program that comes from go-socket.io names of
// its session package: the maker of ids. The sessions themselves are
// [github.com/sb-stream/stream-server/server/engineio.Session].
package session

// An IDGenerator makes session ids, which are secrets: whoever knows one can
// speak for its client. It may be called from any goroutine. An id that is
// empty or in use refuses the client.
type IDGenerator interface {
	NewID() string
}
