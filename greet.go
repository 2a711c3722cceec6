package main

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sb-stream/stream-server/server"
)

// greet prints where the page is and the two lines that publish to it.
func (s *serve) greet(w io.Writer, addr net.Addr, where server.Redis, key string) {
	tcp := addr.(*net.TCPAddr)
	scheme, host := "http", reachable(tcp.IP)
	switch {
	case len(s.ACMEDomain) > 0:
		scheme, host = "https", s.ACMEDomain[0]
	case tcp.IP.IsLoopback() || tcp.IP.IsUnspecified():
		host = "localhost"
	}
	if s.TLSCert != "" {
		scheme = "https"
	}
	page := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(tcp.Port)) + "/"
	if key != "" {
		page += "#key=" + key
	}
	flags, tls := "", ""
	switch {
	case !where.Embedded:
		flags = " --redis " + withoutPassword(s.Redis)
		if secure(s.Redis) {
			flags, tls = flags+flag("--redis-ca", s.RedisCA)+flag("--redis-cert", s.RedisCert)+flag("--redis-key", s.RedisKey),
				" --tls"+flag("--cacert", s.RedisCA)+flag("--cert", s.RedisCert)+flag("--key", s.RedisKey)
		}
	case s.BrokerListen != "127.0.0.1:6380":
		flags = " --broker-listen " + net.JoinHostPort(where.Host, strconv.Itoa(where.Port))
	}
	if s.RedisPrefix != "sb:" {
		flags += fmt.Sprintf(" --redis-prefix '%s'", s.RedisPrefix)
	}
	const channel, data = "feed:football:fantasy", `'{"goal":1}'`
	invitation := "Open the page:\n\n  %s\n\nand publish to it:\n\n"
	if s.NoConsole {
		invitation = "Serving at:\n\n  %s\n\nPublish to it:\n\n"
	}
	fmt.Fprintf(w, invitation, page)
	fmt.Fprintf(w, "  %s publish%s %s %s\n", calledAs(os.Args[0]), flags, channel, data)
	command := "PUBLISH"
	if s.clustered {
		tls, command = tls+" -c", "SPUBLISH"
	}
	fmt.Fprintf(w, "  redis-cli -h %s -p %d%s %s %s%s %s\n\n", where.Host, where.Port, tls, command, s.RedisPrefix, channel, data)
}

// calledAs is how somebody who called this program calls it again.
func calledAs(path string) string {
	const name = "stream-server"
	dir, base := filepath.Split(path)
	switch {
	case strings.Contains(dir, "go-build") && filepath.Base(dir) == "exe":
		return "go run ."
	case dir != "" && strings.TrimSuffix(base, ".exe") == name && !strings.Contains(dir, " "):
		return path
	default:
		return name
	}
}

// flag is a flag with a file as it stands in a line, or nothing.
func flag(name, file string) string {
	if file == "" {
		return ""
	}
	return " " + name + " " + file
}

func withoutPassword(address string) string {
	first, more, _ := strings.Cut(address, ",") // package url takes one host alone
	if more != "" {
		more = "," + more
	}
	u, err := url.Parse(first)
	if err != nil || strings.Contains(more, "@") {
		return "URL"
	}
	if _, ok := u.User.Password(); !ok && u.User != nil {
		u.User = url.UserPassword("", "-") // alone it is the password
	}
	return u.Redacted() + more
}
