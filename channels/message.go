package channels

// A Message is one item in the sequence that the clients of a channel see:
// data, or, when Gap is set, the notice that some may be missing there.
type Message struct {
	Data     []byte   // valid JSON; nil for a gap
	Position Position // empty for a gap
	Gap      string   // why messages may be missing; empty for data

	number uint64 // of this node; 0 for a gap
	entry  *entry // where the history has it; nil if it has not
}
