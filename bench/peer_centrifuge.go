package main

import (
	"context"
	"fmt"
	"net/http"
	"os"

	"github.com/centrifugal/centrifuge"
)

// serveCentrifuge is the library under Centrifugo, with its memory broker; what
// Redis says is published into it. Its options are those that its comments
// advise for many connections. A write delay would save more system calls, and
// is left off because it adds itself to the latency.
func serveCentrifuge(redis string) error {
	node, err := centrifuge.New(centrifuge.Config{})
	if err != nil {
		return err
	}
	channels, err := listenTo(redis, func(channel string, data []byte) {
		if _, err := node.Publish(channel, data); err != nil {
			fmt.Fprintln(os.Stderr, "bench: centrifuge:", err)
		}
	})
	if err != nil {
		return err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
	})
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(e centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			done(centrifuge.SubscribeReply{}, channels.add(e.Channel))
		})
	})
	if err := node.Run(); err != nil {
		return err
	}
	return serveHTTP(http.HandlerFunc(centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		UseWriteBufferPool: true, ProcessCommandsOffReadLoop: true,
		PingPongConfig: centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1},
	}).ServeHTTP))
}
