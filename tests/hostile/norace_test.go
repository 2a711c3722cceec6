//go:build !race

package hostile

import "time"

// echoLimit is how long a message may take to another client, while the server
// is attacked and after it (RELIABILITY.md B1), beside what the machine kept
// everybody waiting.
const echoLimit = 100 * time.Millisecond
