package redis

import (
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"
)

// An outage is a time without connection, of which the log tells once.
//
// It belongs to the goroutine of Run.
type outage struct {
	since time.Time // zero while there is a connection
	said  string    // what Redis said last, if it said anything
}

// note takes why there is no connection. The log hears the first reason, and
// then only what Redis itself answers, such as that the password is wrong.
func (o *outage) note(log logrus.FieldLogger, err error) {
	var reply redis.Error
	refused := errors.As(err, &reply)
	if o.since.IsZero() {
		o.since = time.Now()
		log.WithError(err).Warn("redis: connection lost, redialling")
	} else if refused && string(reply) != o.said {
		log.WithError(err).Warn("redis: connection refused, redialling")
	}
	if refused {
		o.said = string(reply)
	}
}

// over ends the outage, if there is one.
func (o *outage) over(log logrus.FieldLogger) {
	if !o.since.IsZero() {
		log.WithField("away", time.Since(o.since).Round(time.Millisecond)).Info("redis: connected again")
	}
	*o = outage{}
}
