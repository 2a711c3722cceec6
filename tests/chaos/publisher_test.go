package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Times of a publisher. A web server that waits for Redis is not the one that
// gives up first.
const (
	publishTick    = 20 * time.Millisecond
	publishTimeout = 40 * time.Second
	redialDelay    = 20 * time.Millisecond
	waitTimeout    = time.Second // for the replica
)

// prefix is the one of the stream server, by default.
const prefix = "sb:"

// A publisher is a web server: it publishes on its channels in turn, so many
// messages a second on all of them together, and notes what Redis says.
type publisher struct {
	way      way
	channels []*channel
	rate     float64

	turn int // of the goroutine of run
}

// A way is how a web server reaches Redis. It belongs to one goroutine.
type way interface {
	// open connects, if it is not connected.
	open() error
	// send publishes messages, in their order, and reports for each whether
	// Redis has accepted it. false: it may have.
	send(batch []publication) (accepted []bool)
	close()
}

// A publication is message n of a channel.
type publication struct {
	channel *channel
	n       int
}

func (p publication) data() string { return fmt.Sprintf(`{"n":%d,"pad":%q}`, p.n, p.channel.pad) }

// run publishes until ctx ends.
func (p *publisher) run(ctx context.Context) {
	defer p.way.close()
	ticker := time.NewTicker(publishTick)
	defer ticker.Stop()
	began, sent := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		due := int(time.Since(began).Seconds()*p.rate) - sent
		if due > int(p.rate) { // Redis was away: what was due then is not made up for
			began, sent, due = time.Now(), 0, 0
		}
		if due > 0 {
			sent += due
			p.publish(ctx, due)
		}
	}
}

// publish sends the next messages, and waits for their replies. What cannot be
// sent at all is no message.
func (p *publisher) publish(ctx context.Context, due int) {
	if p.way.open() != nil {
		select {
		case <-ctx.Done():
		case <-time.After(redialDelay + rand.N(redialDelay)):
		}
		return
	}
	var batch []publication
	for range due {
		c := p.channels[p.turn%len(p.channels)]
		p.turn++
		batch = append(batch, publication{c, c.next()})
	}
	for i, accepted := range p.way.send(batch) {
		if accepted {
			batch[i].channel.accepted(batch[i].n)
		}
	}
}

// A pipeline is the way to one Redis: a batch goes out in one piece.
type pipeline struct {
	dial func() (redis.Conn, error)
	wait bool // for a replica to have what is durable

	conn redis.Conn // nil while there is none
}

func (p *pipeline) open() (err error) {
	if p.conn == nil {
		p.conn, err = p.dial()
	}
	if err != nil {
		p.conn = nil
	}
	return err
}

func (p *pipeline) send(batch []publication) []bool {
	accepted := make([]bool, len(batch))
	for _, b := range batch {
		if b.channel.kind.durable() {
			_ = p.conn.Send("XADD", prefix+"stream", "*", "channel", b.channel.tag, "data", b.data())
		} else {
			_ = p.conn.Send("PUBLISH", prefix+b.channel.tag, b.data())
		}
	}
	if p.conn.Flush() != nil {
		p.close()
		return accepted
	}
	for i := range batch {
		_, err := p.conn.Receive()
		accepted[i] = err == nil
		if p.conn.Err() != nil {
			p.close()
			break
		}
	}
	if p.wait && p.conn != nil {
		if n, err := redis.Int(p.conn.Do("WAIT", 1, waitTimeout.Milliseconds())); err != nil || n < 1 {
			for i, b := range batch {
				accepted[i] = accepted[i] && !b.channel.kind.durable()
			}
			p.close() // and look for the primary anew
		}
	}
	return accepted
}

func (p *pipeline) close() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// dialRedis is for a publisher of one Redis.
func dialRedis(addr string) func() (redis.Conn, error) {
	return func() (redis.Conn, error) {
		return redis.Dial("tcp", addr, redis.DialConnectTimeout(time.Second),
			redis.DialReadTimeout(publishTimeout), redis.DialWriteTimeout(publishTimeout))
	}
}

// publishers is how many there are; each has a share of the channels.
const publishers = 4

// publishing runs publishers until stop is called; stop waits for the last
// reply.
func publishing(newWay func() way, rate float64, channels []*channel) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	for i := range publishers {
		p := &publisher{way: newWay()}
		for j := i; j < len(channels); j += publishers {
			p.channels = append(p.channels, channels[j])
		}
		if len(p.channels) > 0 {
			p.rate = rate * float64(len(p.channels)) / float64(len(channels))
			done.Go(func() { p.run(ctx) }) // ends with ctx
		}
	}
	return func() {
		cancel()
		done.Wait()
	}
}
