package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"time"

	"github.com/gomodule/redigo/redis"
)

// redisServer is the Redis of one sitting, on the core of the clients.
type redisServer struct {
	cmd     *exec.Cmd
	address string
}

// startRedis runs a redis-server on a port that is free.
func startRedis(ctx context.Context) (*redisServer, error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return nil, errors.New("redis-server is missing: make setup installs it")
	}
	for range 5 { // somebody else may take the port first
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		_, port, _ := net.SplitHostPort(address)
		cmd := exec.Command(path, "--port", port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
			"--dir", os.TempDir(), "--client-output-buffer-limit", "pubsub 0 0 0")
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		s := &redisServer{cmd, address}
		for range 200 {
			if s.answers() {
				return s, nil
			}
			if err := sleep(ctx, 20*time.Millisecond); err != nil {
				s.stop()
				return nil, err
			}
		}
		s.stop()
	}
	return nil, fmt.Errorf("%s does not start", path)
}

// freeAddress is a port of loopback that nobody has now.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func (s *redisServer) answers() bool {
	conn, err := redis.Dial("tcp", s.address)
	if err != nil {
		return false
	}
	defer conn.Close()
	_, err = conn.Do("PING")
	return err == nil
}

func (s *redisServer) stop() {
	_ = s.cmd.Process.Signal(os.Interrupt)
	kill := time.AfterFunc(5*time.Second, func() { _ = s.cmd.Process.Kill() })
	_ = s.cmd.Wait()
	kill.Stop()
}
