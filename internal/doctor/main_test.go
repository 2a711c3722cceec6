package doctor

import (
	"testing"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// looked runs one check on a server, and those that it does not need are left out.
func looked(t *testing.T, config Config, look func(*visit) Finding) Finding {
	t.Helper()
	if config.Timeout == 0 {
		config.Timeout = 2 * time.Second
	}
	v, err := newVisit(config)
	if err != nil {
		t.Fatal(err)
	}
	defer v.close()
	return look(v)
}
