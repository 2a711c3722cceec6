package socketio

import (
	"maps"
	"slices"
)

// Rooms are names that an application gives to groups of clients of one
// namespace. A client is in the room of its own ID, which costs nothing: only
// the others are in the map. A room that nobody is in does not exist.

func (c *conn) Join(room string) {
	n := c.namespace
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conns[c.id] != c || room == c.id { // it has left, or is in it
		return
	}
	members := n.rooms[room]
	if members == nil {
		members = make(map[string]*conn)
		n.rooms[room] = members
	}
	members[c.id] = c
	if c.rooms == nil {
		c.rooms = make(map[string]struct{})
	}
	c.rooms[room] = struct{}{}
}

func (c *conn) Leave(room string) {
	c.namespace.mu.Lock()
	defer c.namespace.mu.Unlock()
	c.namespace.leaveLocked(c, room)
}

func (c *conn) LeaveAll() {
	c.namespace.mu.Lock()
	defer c.namespace.mu.Unlock()
	c.namespace.leaveAllLocked(c)
}

func (c *conn) Rooms() []string {
	c.namespace.mu.Lock()
	defer c.namespace.mu.Unlock()
	if c.namespace.conns[c.id] != c {
		return nil
	}
	return append([]string{c.id}, slices.Sorted(maps.Keys(c.rooms))...)
}

// joined are the rooms that it has been put into.
func (c *conn) joined() []string {
	c.namespace.mu.Lock()
	defer c.namespace.mu.Unlock()
	return slices.Collect(maps.Keys(c.rooms))
}

func (n *namespace) leaveLocked(c *conn, room string) {
	delete(c.rooms, room)
	if members := n.rooms[room]; members[c.id] == c {
		delete(members, c.id)
		if len(members) == 0 {
			delete(n.rooms, room)
		}
	}
}

func (n *namespace) leaveAllLocked(c *conn) {
	for room := range c.rooms {
		n.leaveLocked(c, room)
	}
}

// membersLocked are the clients in a room.
func (n *namespace) membersLocked(room string) map[string]*conn {
	if c := n.conns[room]; c != nil {
		return map[string]*conn{room: c}
	}
	return n.rooms[room]
}

// JoinRoom puts a client into a room of the namespace, as Conn.Join does. Like
// the following methods, which have the names of go-socket.io, it is false if
// there is no such namespace, or the Conn is not one of it.
func (s *Server) JoinRoom(namespace, room string, c Conn) bool {
	own, ok := s.own(namespace, c)
	if ok {
		own.Join(room)
	}
	return ok
}

// LeaveRoom takes a client out of a room, as Conn.Leave does.
func (s *Server) LeaveRoom(namespace, room string, c Conn) bool {
	own, ok := s.own(namespace, c)
	if ok {
		own.Leave(room)
	}
	return ok
}

// LeaveAllRooms takes a client out of all rooms, as Conn.LeaveAll does.
func (s *Server) LeaveAllRooms(namespace string, c Conn) bool {
	own, ok := s.own(namespace, c)
	if ok {
		own.LeaveAll()
	}
	return ok
}

func (s *Server) own(namespace string, c Conn) (*conn, bool) {
	own, ok := c.(*conn)
	return own, ok && own.namespace == s.find(namespace)
}

// ClearRoom takes everybody out of a room, with an Adapter on every node.
func (s *Server) ClearRoom(namespace, room string) bool {
	n := s.find(namespace)
	if n == nil {
		return false
	}
	n.clear(room)
	s.forward(envelope{Namespace: n.name, Clear: room})
	return true
}

func (n *namespace) clear(room string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range maps.Clone(n.rooms[room]) {
		n.leaveLocked(c, room)
	}
}

// RoomLen is how many clients of this node are in a room, -1 if there is no
// such namespace.
func (s *Server) RoomLen(namespace, room string) int {
	n := s.find(namespace)
	if n == nil {
		return -1
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.membersLocked(room))
}

// Rooms are the names of the rooms in a namespace of this node, those of each
// client's own ID included; nil if there is no such namespace.
func (s *Server) Rooms(namespace string) []string {
	n := s.find(namespace)
	if n == nil {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.AppendSeq(slices.Collect(maps.Keys(n.conns)), maps.Keys(n.rooms))
}

// An EachFunc is what ForEach calls.
type EachFunc func(Conn)

// ForEach calls f for each client of this node in a room.
func (s *Server) ForEach(namespace, room string, f EachFunc) bool {
	n := s.find(namespace)
	if n == nil {
		return false
	}
	n.mu.Lock()
	members := slices.Collect(maps.Values(n.membersLocked(room)))
	n.mu.Unlock()
	for _, c := range members {
		f(c)
	}
	return true
}
