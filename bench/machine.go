package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// describeMachine is what the figures hold for, a line each.
func describeMachine(cores []int) ([]string, error) {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	pinning := "one core: the subjects share it with the clients and Redis, and latency shows that"
	if len(cores) > 1 {
		pinning = fmt.Sprintf("subjects on core %d; clients, publisher and Redis on core %d", cores[0], cores[1])
	}
	lines := []string{
		fmt.Sprintf("%s, %s; %s", processor(), pinning, unix.ByteSliceToString(name.Sysname[:])+" "+unix.ByteSliceToString(name.Release[:])),
		fmt.Sprintf("%s, Node %s, Redis %s", runtime.Version(), version("node", "--version"), version("redis-server", "--version")),
		"peers: " + strings.Join(peerVersions(), ", "),
		fmt.Sprintf("%s, by `cd bench && go run . %s`", time.Now().Format("2006-01-02"), strings.Join(os.Args[1:], " ")),
	}
	return lines, nil
}

var modelPattern = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

func processor() string {
	data, _ := os.ReadFile("/proc/cpuinfo")
	if found := modelPattern.FindSubmatch(data); found != nil {
		return strings.TrimSpace(string(found[1]))
	}
	return runtime.GOARCH
}

var versionPattern = regexp.MustCompile(`\d+\.\d+\.\d+`)

// version is the first version that a command prints.
func version(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return "none"
	}
	return string(versionPattern.Find(out))
}

// peerVersions are those that this program was built with, and that of
// node_modules.
func peerVersions() (all []string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			switch m.Path {
			case "github.com/googollee/go-socket.io", "github.com/centrifugal/centrifuge":
				all = append(all, strings.TrimPrefix(m.Path, "github.com/")+" "+m.Version)
			}
		}
	}
	for _, name := range []string{"socket.io", "ws"} {
		if data, err := os.ReadFile("../node_modules/" + name + "/package.json"); err == nil {
			if found := regexp.MustCompile(`"version": "([^"]*)"`).FindSubmatch(data); found != nil {
				all = append(all, name+" "+string(found[1]))
			}
		}
	}
	return all
}
