package doctor

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// leastOutput is what Redis should let wait for a server that listens, in bytes.
const leastOutput = 32 << 20

// lookAtRedis asks what Redis lets wait for subscribers. What is over that ends
// the server's connection, and each client gets a gap.
func lookAtRedis(ctx context.Context, v *visit) Finding {
	if v.Redis == nil {
		return skip("takes --redis")
	}
	text, err := v.Redis.Setting(ctx, "client-output-buffer-limit")
	switch {
	case err != nil && strings.Contains(err.Error(), "unknown command"):
		return skip("this Redis knows no CONFIG, as the embedded broker does not")
	case err != nil:
		return skip("%s", quote([]byte(err.Error())))
	}
	hard, soft, seconds, found := pubsubLimit(text)
	if !found {
		return skip("the answer has no limit for pubsub")
	}
	seen := fmt.Sprintf("client-output-buffer-limit pubsub %d %d %d", hard, soft, seconds)
	const mend = "CONFIG SET client-output-buffer-limit 'pubsub 64mb 32mb 60', and in redis.conf"
	const means = "a burst that the server takes a moment for ends its connection, and clients get $gap"
	switch {
	case hard > 0 && hard < 1<<20:
		return fault(Fail, seen, means, mend)
	case hard == 0 && soft == 0:
		return ok("%s: no limit", seen)
	case hard > 0 && hard < leastOutput:
		return fault(Warn, seen, means, mend)
	}
	return ok("%s", seen)
}

// pubsubLimit finds "pubsub hard soft seconds" in the limits of all classes.
func pubsubLimit(text string) (hard, soft, seconds int64, found bool) {
	fields := strings.Fields(text)
	for i := range fields {
		if fields[i] != "pubsub" || len(fields) < i+4 {
			continue
		}
		var numbers [3]int64
		for j := range numbers {
			n, err := strconv.ParseInt(fields[i+1+j], 10, 64)
			if err != nil {
				return 0, 0, 0, false
			}
			numbers[j] = n
		}
		return numbers[0], numbers[1], numbers[2], true
	}
	return 0, 0, 0, false
}
