package server_test

import (
	"os"
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) {
	if os.Getenv(goSocketIOVariable) != "" {
		serveGoSocketIO()
		return
	}
	leaktest.Main(m)
}
