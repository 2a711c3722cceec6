// Package cluster puts three stream servers behind a balancer that knows nothing
// of sessions.
//
// STICKYTIME is how long clients poll, STICKYCLIENTS how many do; 5 s and 100 if
// they are not set. COSTCLIENTS is how many the cost of passing on is measured
// with; 100. SB_BINARY is the binary that is run; without it one is built.
package cluster

import (
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
