package redis

// announce returns the tags whose Live is to be said now. Until announced is
// called, they are not unsubscribed from: a Live that comes late is true still.
func (s *subscriptions) announce() []string {
	var tags []string
	for tag, sub := range s.toAnnounce {
		tags = append(tags, tag)
		sub.owed = false
		sub.announcing++
		s.place(tag, sub)
	}
	return tags
}

func (s *subscriptions) announced(tags []string) {
	for _, tag := range tags {
		sub := s.tags[tag]
		sub.announcing--
		s.place(tag, sub)
	}
}

// hold keeps wanted tags, or all of them if none are named, where they are until
// announced is called: something is to be said of them that is true here only.
func (s *subscriptions) hold(tags ...string) (held []string) {
	take := func(tag string, sub *subscription) {
		if sub != nil && sub.wanted {
			sub.announcing++
			s.place(tag, sub)
			held = append(held, tag)
		}
	}
	for _, tag := range tags {
		take(tag, s.tags[tag])
	}
	if len(tags) == 0 {
		for tag, sub := range s.tags {
			take(tag, sub)
		}
	}
	return held
}

// gone notes that Redis has ended a subscription by itself. It is not asked for
// here again before the next check.
func (s *subscriptions) gone(tag string) {
	sub := s.tags[tag]
	if sub == nil {
		return
	}
	sub.held = false
	if sub.unanswered == 0 && sub.subscribed {
		sub.subscribed = false
		sub.refused, sub.owed, sub.gone = true, sub.wanted, sub.wanted
		s.stray(tag, sub)
		s.place(tag, sub)
	}
}

// owe notes that Live is to be said again, because messages were lost.
func (s *subscriptions) owe(tag string) {
	if sub := s.tags[tag]; sub != nil && sub.wanted {
		sub.owed = true
		s.place(tag, sub)
	}
}
