package main

import "testing"

func TestCalledAs(t *testing.T) {
	for path, want := range map[string]string{
		"stream-server":                                   "stream-server",
		"./stream-server":                                 "./stream-server",
		"/usr/local/bin/else":                             "stream-server",
		"/opt/sb/stream-server":                           "/opt/sb/stream-server",
		"/my programs/stream-server":                      "stream-server",
		"/tmp/go-build2718281828/b001/exe/stream-server":  "go run .",
		"/tmp/go-build2718281828/b001/stream-server.test": "stream-server",
	} {
		if got := calledAs(path); got != want {
			t.Errorf("calledAs(%q) = %q, want %q", path, got, want)
		}
	}
}
