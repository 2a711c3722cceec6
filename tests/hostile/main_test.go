// Package hostile plays testdata/badinputs.json, a corpus of hostile inputs, to
// real servers: what each of them does is written down in the wants, to the
// letter, and another client of the same server must not notice.
//
// HOSTILE_REAL=1 gives heartbeats their real times, which takes a minute.
package hostile

import (
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
