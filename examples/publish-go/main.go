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
	args := []string{"feed:football:fantasy", `{"goal":1}`, ""}
	copy(args, os.Args[1:])
	var options []web.Option
	if args[2] == "durable" {
		options = append(options, web.Durable())
	}
	if err := web.Stream(context.Background(), args[0], json.RawMessage(args[1]), options...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
