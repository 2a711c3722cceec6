package server

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/server/identity"
)

// rules are what [Server.Reload] changes, all at once: whoever decides something
// loads them once, so that nothing is decided by halves of two configurations.
// They are constant.
type rules struct {
	config   Config // of which only the fields of reloaded are read here
	identity *identity.Finder
	stop     context.CancelFunc // of what identity does in the background
	policy   policy
	publish  keys
	operator keys

	messages   budget // of events, but for subscribes
	subscribes budget // of channels
}

// newRules makes those of a configuration. What has not changed since old, which
// may be nil, is kept: nobody's bucket is filled by a reload, and no key is
// fetched again.
func (s *Server) newRules(config Config, old *rules) (*rules, error) {
	r := &rules{
		config:   config,
		policy:   policy{config.Private, config.Public},
		publish:  newKeys(config.PublishKeys),
		operator: newKeys(config.OperatorKeys),
	}
	switch {
	case old != nil && old.config.sameRates(config):
		r.messages, r.subscribes = old.messages, old.subscribes
	default:
		r.messages = newBudget(limitMessages, config.MessageRate, 2*config.MessageRate, &config)
		r.subscribes = newBudget(limitSubscribes, config.SubscribeRate, max(burst, config.MaxChannels), &config)
	}
	if old != nil && reflect.DeepEqual(old.config.Identity, config.Identity) {
		r.identity, r.stop = old.identity, old.stop
		return r, nil
	}
	ctx, stop := context.WithCancel(context.Background())
	known := config.Identity
	known.Fault = s.identityFault
	finder, err := identity.New(ctx, known)
	if err != nil {
		stop()
		return nil, err
	}
	r.identity, r.stop = finder, stop
	return r, nil
}

func (c Config) sameRates(d Config) bool {
	return c.MessageRate == d.MessageRate && c.SubscribeRate == d.SubscribeRate && c.MaxChannels == d.MaxChannels &&
		c.RatesPerMember == d.RatesPerMember && c.RatesPerAddress == d.RatesPerAddress
}

// reloaded is c with what Reload takes from next.
func (c Config) reloaded(next Config) Config {
	c.PublishKeys, c.OperatorKeys, c.ClusterKeys = next.PublishKeys, next.OperatorKeys, next.ClusterKeys
	c.Origins, c.Private, c.Public, c.TokenGrace = next.Origins, next.Private, next.Public, next.TokenGrace
	c.MaxSessions, c.MaxPerMember, c.MaxPerAddress, c.MaxChannels = next.MaxSessions, next.MaxPerMember, next.MaxPerAddress, next.MaxChannels
	c.MessageRate, c.SubscribeRate = next.MessageRate, next.SubscribeRate
	c.RatesPerMember, c.RatesPerAddress = next.RatesPerMember, next.RatesPerAddress

	known, now := next.Identity, &c.Identity
	now.Keys, now.Algs, now.JWKSURL, now.Issuer, now.Audience = known.Keys, known.Algs, known.JWKSURL, known.Issuer, known.Audience
	now.AuthURL, now.Recheck = known.AuthURL, known.Recheck
	if len(known.GuestKeys) > 0 { // else the one that was made at the start goes on
		now.GuestKeys = known.GuestKeys
	}
	return c
}

// Reload puts the keys, origins, patterns, limits and rates of a configuration in
// force, and how tokens are known; the other fields stay what they were. What
// happens after it has returned is decided by the new ones. An error says all that
// is wrong, and then nothing has changed.
//
// Who is connected stays so, beyond a limit too, and is who they were until their
// token ends. A channel that they may not hear any more is taken from them.
func (s *Server) Reload(next Config) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	old := s.rules.Load()
	config := old.config.reloaded(next.withDefaults())
	if err := config.Validate(); err != nil {
		return err
	}
	if (len(config.ClusterKeys) == 0) != (len(old.config.ClusterKeys) == 0) {
		return errors.New("server: the first cluster key, and doing without one, take a restart")
	}
	r, err := s.newRules(config, old)
	if err != nil {
		return err
	}
	if s.nodes.seal != nil {
		s.nodes.seal.use(config.ClusterKeys)
	}
	s.io.Engine().Limit(config.MaxSessions, config.MaxPerAddress)
	s.rules.Store(r)
	if r.identity != old.identity {
		time.AfterFunc(findTimeout, old.stop) // whoever is being found by it has been by then
	}
	if !slices.Equal(r.policy.private, old.policy.private) || !slices.Equal(r.policy.public, old.policy.public) {
		for e := range s.sessions.all() {
			if c, ok := e.(*client); ok {
				s.review(c)
			}
		}
	}
	return nil
}

// review takes from a client the channels that it may not hear any more.
func (s *Server) review(c *client) {
	c.mu.Lock()
	lost := s.loseLocked(c)
	c.mu.Unlock()
	s.tellLost(c, lost, reasonChanged)
}

// loseLocked takes from a client the channels that it may not hear, and returns
// them for tellLost.
func (s *Server) loseLocked(c *client) (lost []string) {
	may := s.rules.Load().policy
	for _, h := range c.heard {
		if may.check(c.who, h.Tag) != nil {
			lost = append(lost, h.Tag)
		}
	}
	c.unhearLocked(s, lost)
	if len(lost) > 0 {
		c.floor = math.MaxUint64 // until the client has been told
	}
	return lost
}

// tellLost tells a client why it does not hear channels any more.
func (s *Server) tellLost(c *client, lost []string, reason string) {
	for _, tag := range lost {
		s.note(deedUnsubscribed, c, tag, reason)
		c.Emit("$expired", expired{tag, reason})
	}
	if len(lost) > 0 {
		c.mu.Lock()
		c.floor = s.channels.Last() + 1
		c.mu.Unlock()
	}
}
