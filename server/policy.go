package server

import (
	"strings"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
	"github.com/sb-stream/stream-server/server/identity"
)

// memberPrefix begins the channel that is one member's alone.
const memberPrefix = "member:"

// A policy says which channels everybody may hear, and which only those who
// were granted them. It is constant.
type policy struct {
	private, public tags.Patterns
}

// isPrivate reports whether a channel has to be granted.
func (p policy) isPrivate(tag string) bool {
	return strings.HasPrefix(tag, memberPrefix) || p.private.Match(tag) || !p.public.Match(tag)
}

// check is the error for who may not hear a channel.
//
// The channel of a member is that member's, whatever else was granted: a grant
// of everything does not open the mail of everybody.
func (p policy) check(who identity.Who, tag string) error {
	if !p.isPrivate(tag) {
		return nil
	}
	owner, personal := strings.CutPrefix(tag, memberPrefix)
	switch {
	case who.Over(time.Now()):
		return &wireError{Code: CodeExpired, Message: "what this connection might hear has expired: identify again", Channel: tag}
	case personal && owner == who.Member, !personal && who.May(tag):
		return nil
	default:
		return &wireError{Code: CodeForbidden, Message: "this channel is not open to you", Channel: tag}
	}
}

// checkAll is check for each of them.
func (p policy) checkAll(who identity.Who, list []string) error {
	for _, tag := range list {
		if err := p.check(who, tag); err != nil {
			return err
		}
	}
	return nil
}

// askable are those of the channels that the web server may grant.
func (p policy) askable(list []string) []string {
	var asked []string
	for _, tag := range list {
		if p.isPrivate(tag) && !strings.HasPrefix(tag, memberPrefix) {
			asked = append(asked, tag)
		}
	}
	return asked
}
