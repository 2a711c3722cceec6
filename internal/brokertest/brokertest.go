// Package brokertest has what the brokers of tests have in common.
package brokertest

import (
	"context"
	"errors"
	"time"
)

// A Near broker is one that is always there, and has nothing under way. Tests
// embed it, and add Listen and Publish.
type Near struct{}

// Unlisten does nothing.
func (Near) Unlisten(string) {}

// Publish fails.
func (Near) Publish(context.Context, string, []byte) (int, error) { return 0, errors.ErrUnsupported }

// Barrier has nothing to wait for.
func (Near) Barrier(context.Context, string) error { return nil }

// Ordered is true.
func (Near) Ordered() bool { return true }

// Now is the time of this machine.
func (Near) Now() time.Time { return time.Now() }

// Up is true.
func (Near) Up() bool { return true }
