package main

import (
	"os"
	"time"

	"github.com/sirupsen/logrus"
)

// logger is the log that the flags ask for.
func (s *serve) logger(out *os.File) *logrus.Logger {
	log := logrus.New()
	log.SetOutput(out)
	setLevel(log, s.LogLevel)
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	if s.LogFormat == "json" || s.LogFormat == "auto" && !terminal {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		log.SetFormatter(&logrus.TextFormatter{FullTimestamp: true})
	}
	return log
}

// setLevel is safe while others write.
func setLevel(log *logrus.Logger, name string) {
	if level, err := logrus.ParseLevel(name); err == nil {
		log.SetLevel(level)
	}
}
