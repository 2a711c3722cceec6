package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/sb-stream/stream-server/server/identity"
)

// planLocked puts the client on the agenda for the end of its grant, or for at.
func (s *Server) planLocked(c *client, at time.Time) {
	if c.due != 0 {
		s.agenda.Remove(c, c.due)
		c.due = 0
	}
	if grant := c.who.Grant; at.IsZero() && grant != nil && !grant.Ended {
		at = grant.Until
	}
	if !at.IsZero() && !c.left {
		c.due = second(at)
		s.agenda.Add(c, c.due)
	}
}

// due is called when a grant has come to its end: it is asked for again, or
// ends after the time of grace, in which the client may bring a new token.
func (s *Server) due(c *client) {
	c.mu.Lock()
	who := c.who
	grant := who.Grant
	if c.left || grant == nil || grant.Ended {
		c.mu.Unlock()
		return
	}
	c.due = 0
	if grant.Again != nil {
		c.mu.Unlock()
		go s.askAgain(c, grant) // ends by findTimeout
		return
	}
	end := grant.Until.Add(s.rules.Load().config.TokenGrace)
	over := !time.Now().Before(end)
	if !over {
		s.planLocked(c, end)
	}
	c.mu.Unlock()
	if over {
		_ = s.become(c, grant, who.End(), reasonExpired) // who it was
	} else {
		s.tellSession(c, who, true)
	}
}

// askAgain asks who the client is by now. While nobody can say, what was said
// holds for the time of grace.
func (s *Server) askAgain(c *client, grant *identity.Grant) {
	now, again := s.rules.Load(), *grant.Again
	again.Channels = now.policy.askable(c.hears())
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	who, err := now.identity.Find(ctx, again)
	if err == nil {
		err = s.become(c, grant, who, reasonChanged)
	}
	switch {
	case err == nil:
	case errors.Is(err, identity.ErrUnavailable) && time.Since(grant.Until) < now.config.TokenGrace:
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.who.Grant == grant {
			s.planLocked(c, time.Now().Add(retryTime))
		}
	default:
		_ = s.become(c, grant, c.identity().End(), reasonExpired) // who it was
	}
}

// askToHear asks the web server for channels that were not granted yet, beside
// those that the client hears by its word. Header is what the page is known by
// there, if it said so with its subscription.
func (s *Server) askToHear(c *client, list []string, header http.Header) error {
	who, now := c.identity(), s.rules.Load()
	var again identity.Credentials
	switch grant := who.Grant; {
	case grant != nil && grant.Again != nil:
		again = *grant.Again
	case grant == nil && header != nil && who.Guest():
		again = identity.Credentials{Guest: now.identity.GuestToken(who.Member)}
	default:
		return now.policy.checkAll(who, list)
	}
	if header != nil {
		again.Header = header
	}
	again.Channels = now.policy.askable(slices.Compact(slices.Sorted(slices.Values(append(c.hears(), list...)))))
	ctx, cancel := context.WithTimeout(context.Background(), findTimeout)
	defer cancel()
	found, err := now.identity.Find(ctx, again)
	if err != nil {
		return asIdentityError(err)
	}
	return s.become(c, who.Grant, found, reasonChanged)
}

// serveIdentify is POST /api/identify: the cookies of this request as a token
// for identify, for a page whose connection is older than they are.
func (s *Server) serveIdentify(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		writeError(w, http.StatusMethodNotAllowed, CodeBadRequest, "this takes POST")
		return
	}
	ticket, ok := s.rules.Load().identity.Ticket(r)
	if !ok {
		writeError(w, http.StatusNotFound, CodeBadRequest, "this server reads no cookies")
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{"token": ticket})
}
