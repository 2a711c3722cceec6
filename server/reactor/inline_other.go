//go:build !linux

package reactor

import "errors"

// nonBlocking says that sendOnce and receiveOnce work on this system.
const nonBlocking = false

func sendOnce(int, [][]byte) (int, error) { return 0, errors.ErrUnsupported }

func receiveOnce(int, []byte) (int, bool, error) { return 0, false, errors.ErrUnsupported }
