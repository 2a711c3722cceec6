package channels

// What a client missed who comes from another node, or after this one has
// forgotten it, is looked for in steps, between which its channel is held: so
// that from the first step on, the history has what follows.

// Hold makes this node hear the channel without a client, until release. live
// is closed once messages are certain to arrive.
func (cs *Channels) Hold(tag string) (live <-chan struct{}, release func()) {
	ch := cs.retain(tag)
	ch.mu.Lock()
	defer ch.mu.Unlock()
	return ch.liveLocked(), func() { cs.release(ch) }
}

// Last is the number of the newest message of all.
func (cs *Channels) Last() uint64 { return cs.seq.last.Load() }

// Has reports whether the history has all that came after a message of this
// node.
func (cs *Channels) Has(tag string, number uint64) bool {
	_, ok := cs.after(tag, number, false)
	return ok
}

// Between is the messages of the channel after a number and up to a place in
// what is published, which other nodes hear too; false if they are not all here.
func (cs *Channels) Between(tag string, after, upTo uint64) ([]Message, bool) {
	list, ok := cs.after(tag, after, true)
	for i, m := range list {
		if m.number > upTo {
			return list[:i], ok
		}
	}
	return list, ok
}

// after is the messages of the channel after a number; false if they are not
// all here, or if there are some that the broker keeps, and must not be.
func (cs *Channels) after(tag string, number uint64, plain bool) ([]Message, bool) {
	ch := cs.find(tag)
	if ch == nil {
		return nil, false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.live || plain && ch.history != nil && ch.history.kept {
		return nil, false
	}
	return ch.afterLocked(number)
}

// Find is the number of the message at a place of another node's; false if it
// is not here, or cannot be told from others. All that the broker had accepted
// when a client was at that place must have come here before.
func (cs *Channels) Find(tag string, at Place) (number uint64, ok bool) {
	ch := cs.find(tag)
	if ch == nil {
		return 0, false
	}
	ch.mu.Lock()
	defer ch.mu.Unlock()
	if !ch.live {
		return 0, false
	}
	return ch.findLocked(at)
}
