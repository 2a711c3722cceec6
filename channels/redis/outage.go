package redis

import (
	"crypto/tls"
	"errors"
	"time"

	"github.com/gomodule/redigo/redis"
	"github.com/sirupsen/logrus"

	"github.com/sb-stream/stream-server/internal/redisnet"
)

// An outage is a time without connection, of which the log tells once.
//
// It belongs to the goroutine of Run.
type outage struct {
	since time.Time // zero while there is a connection
	said  string    // the last refusal
}

// note takes why there is no connection. The log hears the first reason, and
// then only what waiting will not mend, such as that the password is wrong.
func (o *outage) note(log logrus.FieldLogger, err error) {
	refusal := refusal(err)
	if o.since.IsZero() {
		o.since = time.Now()
		log.WithError(err).Warn("redis: connection lost, redialling")
	} else if refusal != "" && refusal != o.said {
		log.WithError(err).Warn("redis: connection refused, redialling")
	}
	if refusal != "" {
		o.said = refusal
	}
}

// refusal is what Redis said, or a word for that who answered is not the Redis
// that was asked for; none of other errors.
func refusal(err error) string {
	var reply redis.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &reply):
		return string(reply)
	case errors.As(err, &certificate):
		return "certificate" // its text may hold the time
	case errors.Is(err, redisnet.ErrReply):
		return "no Redis"
	}
	return ""
}

// over ends the outage, if there is one.
func (o *outage) over(log logrus.FieldLogger) {
	if !o.since.IsZero() {
		log.WithField("away", time.Since(o.since).Round(time.Millisecond)).Info("redis: connected again")
	}
	*o = outage{}
}
