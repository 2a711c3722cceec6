package embedded

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/channels/dialect"
)

// Config is how a [Broker] behaves. Zero means the default.
type Config struct {
	Listen     string             // address for Redis clients; "127.0.0.1:6380"
	Passwords  []string           // for AUTH, each as good as the other; required when it listens beyond loopback
	Prefix     string             // before every tag; none
	Dialects   *dialect.Set       // how others publish to the same channels, with that prefix; they do not
	MaxPublish int                // bytes of one message; 1 MiB
	MaxClients int                // Redis clients at once; 1,000
	Listener   net.Listener       // in place of Listen, from another process that had it; none
	Log        logrus.FieldLogger // required

	Dir       string        // where durable messages are kept across restarts; they are not
	MaxKept   int           // durable messages that are kept; 100,000
	KeptBytes int           // that they take; 256 MiB
	KeptAge   time.Duration // that one is kept; 24 h
}

func (c Config) withDefaults() Config {
	c.Listen = cmp.Or(c.Listen, "127.0.0.1:6380")
	c.MaxPublish = cmp.Or(c.MaxPublish, 1<<20)
	c.MaxClients = cmp.Or(c.MaxClients, 1000)
	c.MaxKept = cmp.Or(c.MaxKept, 100_000)
	c.KeptBytes = cmp.Or(c.KeptBytes, 256<<20)
	c.KeptAge = cmp.Or(c.KeptAge, 24*time.Hour)
	return c
}

// Validate reports every fault of the configuration at once.
func (c Config) Validate() error {
	c = c.withDefaults()
	var faults []error
	host, _, err := net.SplitHostPort(c.Listen)
	ip := net.ParseIP(host)
	switch {
	case err != nil:
		faults = append(faults, fmt.Errorf("embedded: %q is no address such as 127.0.0.1:6380", c.Listen))
	case len(c.Passwords) == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()):
		faults = append(faults, fmt.Errorf("embedded: %s is beyond this machine: that takes a password", c.Listen))
	}
	if slices.Contains(c.Passwords, "") {
		faults = append(faults, errors.New("embedded: a password is empty"))
	}
	if c.MaxPublish < 0 || c.MaxClients < 0 || c.MaxKept < 0 || c.KeptBytes < 0 || c.KeptAge < 0 {
		faults = append(faults, errors.New("embedded: a limit is negative"))
	}
	if c.Log == nil {
		faults = append(faults, errors.New("embedded: no log"))
	}
	return errors.Join(faults...)
}
