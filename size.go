package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A size is a number of bytes, written as 65536, 64KiB or 1MiB.
type size int

var units = []struct {
	suffix string
	bytes  int
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}, {"", 1}}

// UnmarshalText reads a size, for flags and environment.
func (s *size) UnmarshalText(text []byte) error {
	for _, unit := range units {
		number, ok := strings.CutSuffix(string(text), unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > math.MaxInt/unit.bytes {
			break
		}
		*s = size(n * unit.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size such as 64KiB or 1MiB", text)
}
