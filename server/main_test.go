package server_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/sb-stream/stream-server/internal/leaktest"
	"github.com/sb-stream/stream-server/server"
)

func TestMain(m *testing.M) {
	if os.Getenv(goSocketIOVariable) != "" {
		serveGoSocketIO()
		return
	}
	if n, err := strconv.Atoi(os.Getenv("STREAM_SERVE_GROWN")); err == nil {
		if err := server.ServeGrown(n); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	leaktest.Main(m)
}
