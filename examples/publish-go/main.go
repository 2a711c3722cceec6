// Command publish-go publishes one message, as a web server in Go does.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/sb-stream/stream-server/web"
)

func main() {
	args := append(os.Args[1:], "feed:football:fantasy", `{"goal":1}`)[:2]
	if len(os.Args) == 2 {
		args = []string{os.Args[1], `{"goal":1}`}
	}
	if err := web.Stream(context.Background(), args[0], json.RawMessage(args[1])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
