package engineio

import "net/http"

// polls makes a new session one that may poll.
func (s *Session) polls(jsonp *callback, h http.Header) {
	s.longPolling = &longPolling{jsonp: jsonp}
	if bind := s.server.opts.Binding; bind != nil {
		s.binding = bind(h)
	}
}

// bound reports whether a request may be one of this session.
func (s *Session) bound(r *http.Request) bool {
	bind := s.server.opts.Binding
	if bind == nil {
		return true
	}
	return s.longPolling == neverPolled || s.binding == bind(r.Header)
}
