package main

import (
	"context"
	"fmt"
	"time"

	"github.com/sb-stream/stream-server/internal/tags"
)

// publish is the command that sends one message, as a web server would.
type publish struct {
	brokerFlags

	Durable bool `help:"By XADD: the message is kept, and its id is printed."`

	Channel string `arg:"" help:"Such as feed:football:fantasy."`
	Data    string `arg:"" help:"JSON; anything else goes as a JSON string."`
}

// publishTimeout is for all of it, the connection included.
const publishTimeout = 5 * time.Second

// Run publishes and prints how many were reached: sessions by the embedded
// broker, subscribed nodes by Redis. Of a durable message it prints the id.
func (p *publish) Run(ctx context.Context) error {
	if err := tags.Check(p.Channel); err != nil {
		return usageError{err}
	}
	broker, err := p.redisPublisher()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	if p.Durable {
		id, err := broker.Keep(ctx, p.Channel, []byte(p.Data))
		if err != nil {
			return err
		}
		fmt.Println(id)
		return nil
	}
	n, err := broker.Publish(ctx, p.Channel, []byte(p.Data))
	if err != nil {
		return err
	}
	fmt.Println(n)
	return nil
}
