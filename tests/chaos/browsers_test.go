package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// startBrowsers runs listeners as the shim itself, in Node, over its own socket
// and over a stock socket.io-client in turn, until the test ends. Every third
// uses long-polling alone, if polls find their node.
func startBrowsers(t *testing.T, url string, listeners []*listener) {
	t.Helper()
	if len(listeners) == 0 {
		return
	}
	type client struct {
		Tags       []string `json:"tags"`
		Stock      bool     `json:"stock"`
		Transports []string `json:"transports"`
	}
	var input struct {
		URL     string   `json:"url"`
		Clients []client `json:"clients"`
	}
	input.URL = url
	for i, l := range listeners {
		c := client{l.tags, i%2 == 1, []string{"websocket"}}
		if i%3 == 2 && knows(t, "--node-address") {
			c.Transports = []string{"polling"}
		}
		l.shim = fmt.Sprintf("stock: %v, by %s", c.Stock, c.Transports[0])
		input.Clients = append(input.Clients, c)
	}
	argument, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "browsers.mjs", string(argument))
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() { // ends with the process
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var said happening
			if json.Unmarshal(lines.Bytes(), &said) == nil {
				said.note(listeners[said.ID])
			}
		}
	})
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait()
	})
}

// A happening is a line of browsers.mjs.
type happening struct {
	ID        int
	What, Tag string
	N         int
	OK        bool
	Recovered bool
	Replayed  int
}

func (s happening) note(l *listener) {
	h := l.heard[s.Tag]
	switch {
	case s.What == "disconnected":
		l.note(true, nil)
	case s.What == "recovered":
		l.arrived()
	case s.What == "asked":
		h.add(entry{what: asked})
	case s.What == "answered" && !s.OK:
		l.refusals.Add(1)
	case s.What == "answered":
		h.add(entry{what: answered, n: h.channel.begun(), again: h.joined, recovered: s.Recovered, replayed: s.Replayed})
		h.joined = true
		if s.Tag == l.tags[0] { // they are answered together
			l.arrived()
		}
	case s.What == "gap":
		// The shim tells of what was not recovered too; the answer did.
		h.add(entry{what: gap})
	case s.What == "message":
		h.joined = true
		h.add(entry{what: message, n: s.N})
	}
}
