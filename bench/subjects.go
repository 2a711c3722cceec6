package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sb-stream/stream-server/internal/load"
)

// A subject is a server that is measured.
type subject struct {
	name  string
	label string
	args  func(redis string) []string

	protocol *load.Protocol
	stdin    bool   // messages come by its standard input
	ours     bool   // it has long-polling, a budget for slow clients, and metrics
	collects string // path whose answers make garbage; "" if it is not of Go, or a floor
}

// The floors that others are compared with.
const (
	floorName      = "floor"
	floorRedisName = "floor-redis"
)

// subjects are all there are; why says which of them cannot run here.
func subjects(server string) (all []subject, why map[string]string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	v4, err := load.EngineIO(4, "/socket.io/", "")
	if err != nil {
		return nil, nil, err
	}
	v3, err := load.EngineIO(3, "/socket.io/", "")
	if err != nil {
		return nil, nil, err
	}
	v3.BeatEvery = 0 // no subject has heartbeats
	floor := &load.Protocol{Join: joinFloor}
	own := func(args ...string) func(string) []string {
		return func(redis string) []string { return append([]string{self}, append(args, redis)...) }
	}
	stream := func(sockets string) func(string) []string {
		return func(redis string) []string {
			return []string{
				server, "--listen", "127.0.0.1:0", "--redis", "redis://" + redis, "--redis-prefix", redisPrefix,
				"--sockets", sockets, "--drain", "0s", "--log-level", "error", "--ping-interval", heartbeats.String(),
			}
		}
	}
	all = []subject{
		{name: floorName, label: "floor: loop of sendto", args: own("floor", "sendto"), protocol: floor, stdin: true},
		{name: floorRedisName, label: "floor: the same, messages by Redis", args: own("floor", "sendto-redis"), protocol: floor},
		{name: "floor-write", label: "floor: loop of net.Conn.Write", args: own("floor", "write"), protocol: floor, stdin: true},
		{name: "epoll", label: "stream-server, epoll", args: stream("epoll"), protocol: v4, ours: true, collects: "/metrics"},
		{name: "goroutine", label: "stream-server, goroutine", args: stream("goroutine"), protocol: v4, ours: true, collects: "/metrics"},
		{name: "socketio", label: "socket.io on ws, Node", protocol: v4, args: func(redis string) []string {
			return []string{"node", filepath.Join("peers", "socketio.mjs"), "redis://" + redis}
		}},
		{name: "googollee", label: "googollee/go-socket.io", args: own("googollee"), protocol: v3, collects: "/"},
		{name: "centrifuge", label: "centrifuge, own protocol", args: own("centrifuge"), protocol: centrifugeProtocol(), collects: "/"},
	}
	why = map[string]string{}
	if _, err := os.Stat(server); err != nil {
		why["epoll"], why["goroutine"] = "no "+server+": make builds it", "no "+server+": make builds it"
	}
	if _, err := exec.LookPath("node"); err != nil {
		why["socketio"] = "no node"
	} else if _, err := os.Stat(filepath.Join("..", "node_modules", "socket.io")); err != nil {
		why["socketio"] = "no socket.io in node_modules: make setup installs it"
	}
	return all, why, nil
}

// joinFloor names the channel in a line, and waits for one.
func joinFloor(l *load.Link, channel string) error {
	if _, err := io.WriteString(l, channel+"\n"); err != nil {
		return err
	}
	_, err := l.Reader.ReadString('\n')
	return err
}

func centrifugeProtocol() *load.Protocol {
	return &load.Protocol{
		Path: "/",
		Join: func(l *load.Link, channel string) error {
			if err := l.Send(`{"id":1,"connect":{}}` + "\n" + fmt.Sprintf(`{"id":2,"subscribe":{"channel":%q}}`, channel)); err != nil {
				return err
			}
			for {
				frame, err := l.Receive()
				if err != nil {
					return err
				}
				for reply := range bytes.Lines(frame) {
					switch {
					case bytes.Contains(reply, []byte(`"error"`)), bytes.Contains(reply, []byte(`"disconnect"`)):
						return fmt.Errorf("%w: %s", load.ErrRefused, reply)
					case bytes.Contains(reply, []byte(`"id":2`)):
						return nil
					}
				}
			}
		},
		Answer: func(frame []byte) []byte {
			if string(frame) == "{}" {
				return frame
			}
			return nil
		},
	}
}

// publisher is what sends messages to a subject that runs.
func (s subject) publisher(p *process, redis string) (load.Publisher, error) {
	if s.stdin {
		return linePublisher{p.stdin}, nil
	}
	return load.RedisPublisher("redis://"+redis, redisPrefix, nil)
}

// linePublisher writes a line for each message. The process owns the pipe.
type linePublisher struct{ w io.Writer }

func (l linePublisher) Publish(channel string, data []byte) error {
	_, err := fmt.Fprintf(l.w, "%s %s\n", channel, data)
	return err
}

func (linePublisher) Close() error { return nil }
