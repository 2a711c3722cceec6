//go:build race

package hostile

import "time"

// echoLimit is looser where the race detector makes all of it slow, beside the
// other packages' tests. The promise is that of norace_test.go.
const echoLimit = 500 * time.Millisecond
