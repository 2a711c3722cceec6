package redis

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// What a URL leads to.
type topology int

const (
	single    topology = iota // one Redis
	sentinels                 // the primary that Sentinels name
	clustered                 // a Redis Cluster
)

// A target is what a URL says.
type target struct {
	addr           string // host:port; of the first, if there are more
	hosts          string // all of them, with commas between; "" if there is one Redis
	primary        string // the name of what the Sentinels watch
	topology       topology
	user, password string
	database       int
	tls            bool
}

const urlForms = "redis://user:password@host:port/database, " +
	"redis-sentinel://host:port,host:port/name or redis-cluster://host:port,host:port, or rediss… with TLS"

// schemes are those of a URL without TLS; with it they begin with rediss.
var schemes = map[string]struct {
	topology topology
	port     string
}{
	"redis":          {single, "6379"},
	"redis-sentinel": {sentinels, "26379"},
	"redis-cluster":  {clustered, "6379"},
}

// parseURL reads a URL. Its errors never quote it: it may hold a password, and
// one with a stray # or ? ends up in any part of it.
func parseURL(raw string) (target, error) {
	if raw == "" {
		return target{}, errors.New("redis: no URL")
	}
	// package url takes one host alone.
	head, rest, _ := strings.Cut(raw, "://")
	authority, path, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@") + 1
	hosts := strings.Split(authority[at:], ",")
	u, err := url.Parse(head + "://" + authority[:at] + hosts[0] + "/" + path)
	if err != nil || !strings.Contains(raw, "://") || u.Opaque != "" || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(authority[at:], "?#") {
		return target{}, errors.New("redis: the URL is not of the form " + urlForms + "; " +
			"special characters in the password are percent-encoded")
	}
	scheme, secure := strings.CutPrefix(u.Scheme, "rediss")
	if scheme = "redis" + scheme; !secure {
		scheme = u.Scheme
	}
	form, ok := schemes[scheme]
	if !ok {
		return target{}, errors.New("redis: the URL must begin with redis://, redis-sentinel:// or redis-cluster://, or rediss… with TLS")
	}
	t := target{tls: secure, topology: form.topology}
	for i, host := range hosts {
		if hosts[i], err = withPort(host, form.port); err != nil {
			return target{}, err
		}
	}
	if t.addr = hosts[0]; form.topology != single {
		t.hosts = strings.Join(hosts, ",")
	} else if len(hosts) > 1 {
		return target{}, errors.New("redis: more than one host takes redis-sentinel:// or redis-cluster://")
	}
	if password, ok := u.User.Password(); ok {
		t.user, t.password = u.User.Username(), password
	} else {
		t.password = u.User.Username() // as redis-cli -u has it
	}
	return t, t.takePath(strings.TrimPrefix(u.Path, "/"))
}

// withPort is a host with its port, or the usual one.
func withPort(host, port string) (string, error) {
	u := url.URL{Host: host}
	again, err := url.Parse("redis://" + host)
	if err != nil || again.Host != host {
		return "", errors.New("redis: a host of the URL is not of the form host:port")
	}
	return net.JoinHostPort(cmp.Or(u.Hostname(), "localhost"), cmp.Or(u.Port(), port)), nil
}

// takePath reads what follows the hosts: a database, or with Sentinels a name
// and perhaps a database. A Cluster has one database alone.
func (t *target) takePath(path string) (err error) {
	if t.topology == sentinels {
		if t.primary, path, _ = strings.Cut(path, "/"); t.primary == "" {
			return errors.New("redis: after the Sentinels in the URL stands the name of what they watch: redis-sentinel://host:port/mymaster")
		}
	}
	if path == "" {
		return nil
	}
	if t.database, err = strconv.Atoi(path); err != nil || t.database < 0 {
		return errors.New("redis: what follows the host in the URL must be the number of a database")
	}
	if t.topology == clustered && t.database != 0 {
		return fmt.Errorf("redis: a Redis Cluster has the database 0 alone, not %d", t.database)
	}
	return nil
}
