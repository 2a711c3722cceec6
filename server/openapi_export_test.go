package server

// Patterns are those of all routes, as [http.ServeMux] has them.
func (s *Server) Patterns() []string {
	var list []string
	for _, r := range s.routes() {
		list = append(list, r.pattern)
	}
	return list
}
