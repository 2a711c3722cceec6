package server

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
)

// Share gives the server a port of its own, on this IP, at which the other nodes
// reach it from now on: another process is about to accept from its listening
// socket too, and would get half of what they ask this one. Their requests for
// its sessions and its histories go there until it has ended. Without
// Config.NodeAddress there is nothing to do. It is called once, while Serve runs.
func (s *Server) Share(ctx context.Context, ip net.IP) error {
	if s.peers == nil || s.config.NodeAddress == "" {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(ip.String(), "0"))
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	select {
	case s.aside <- l:
	case <-ctx.Done():
		_ = l.Close()
		return ctx.Err()
	}
	u, err := url.Parse(s.config.NodeAddress)
	if err != nil {
		return fmt.Errorf("server: %w", err)
	}
	u.Host = net.JoinHostPort(u.Hostname(), strconv.Itoa(l.Addr().(*net.TCPAddr).Port))
	return s.cluster.move(ctx, u.String())
}
