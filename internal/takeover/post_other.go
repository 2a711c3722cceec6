//go:build !linux

package takeover

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/sirupsen/logrus"
)

// A Post is a process's end of the handing over, which there is on Linux only.
type Post struct{}

// New says that there is none.
func New(string, logrus.FieldLogger) (*Post, error) {
	return nil, fmt.Errorf("takeover: %w on this system", errors.ErrUnsupported)
}

// Listener, Run and Close are never called.
func (*Post) Listener(string, string) net.Listener                    { return nil }
func (*Post) Run(context.Context, []Listener, func(), func(next int)) {}
func (*Post) Close()                                                  {}
