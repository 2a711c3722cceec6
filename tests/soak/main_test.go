// Package soak runs the server under churn, and short of descriptors.
//
// SOAKTIME is how long the churn takes, 20 s if it is not set. SB_BINARY is
// the binary that is run; without it one is built.
package soak

import (
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
