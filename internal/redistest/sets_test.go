package redistest_test

import (
	"testing"

	"github.com/sb-stream/stream-server/internal/redistest"
)

func TestSentinel(t *testing.T) {
	s := redistest.StartSentinel(t)
	s.Primary.Kill()
	s.Promoted()
	if got := s.Replica.Do("ROLE").([]any)[0]; string(got.([]byte)) != "master" {
		t.Errorf("ROLE of the replica after the primary's end = %s, want master", got)
	}
}

func TestCluster(t *testing.T) {
	c := redistest.StartCluster(t, 3)
	c.AddReplicas()
	owner, slot := c.Owner("x")
	other := c.Nodes[0]
	if owner == other {
		other = c.Nodes[1]
	}
	if got := owner.Do("SPUBLISH", "x", "1"); got != int64(0) {
		t.Errorf("SPUBLISH at the owner = %v, want 0", got)
	}
	c.Move(slot, owner, other)
	if got := other.Do("SPUBLISH", "x", "1"); got != int64(0) {
		t.Errorf("SPUBLISH at the new owner = %v, want 0", got)
	}
}
