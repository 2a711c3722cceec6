package redisnet

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// bulk is a string of n bytes.
func bulk(n int) string { return fmt.Sprintf("$%d\r\n%s\r\n", n, strings.Repeat("x", n)) }

// What Redis answers to XREAD comes through, and what would make it too large
// leaves its length.
func TestStreams(t *testing.T) {
	const head = "*1\r\n*2\r\n+s\r\n" // one stream, and its name
	entry := func(fields string) string { return "*2\r\n+1-1\r\n" + fields }
	deep := strings.Repeat("*1\r\n", maxDepth)
	long := fmt.Sprintf("*%d\r\n%s", maxArray+1, strings.Repeat("+x\r\n", maxArray+1))
	full := fmt.Sprintf("*%d\r\n%s", maxArray, strings.Repeat("$-1\r\n", maxArray))
	for _, tt := range []struct {
		name, in string
		want     string // that comes through; "=" is all of it
		err      error
	}{
		{"XREAD", head + "*2\r\n" + entry("*2\r\n"+bulk(1)+bulk(9)) + entry("*2\r\n"+bulk(1)+bulk(9)) + "+OK\r\n", "=", nil},
		{"nothing", "*-1\r\n+OK\r\n", "=", nil},
		{"empty arrays", "*2\r\n*0\r\n*0\r\n+OK\r\n", "=", nil},
		{"null in an array", "*2\r\n*-1\r\n$-1\r\n+OK\r\n", "=", nil},
		{
			"large string", head + "*1\r\n" + entry("*2\r\n"+bulk(1)+bulk(101)) + "+OK\r\n",
			head + "*1\r\n" + entry("*2\r\n"+bulk(1)+":101\r\n") + "+OK\r\n", nil,
		},
		{
			"large reply", "*4\r\n" + bulk(100) + bulk(100) + bulk(51) + bulk(50) + "*1\r\n" + bulk(100),
			"*4\r\n" + bulk(100) + bulk(100) + ":51\r\n" + bulk(50) + "*1\r\n" + bulk(100), nil,
		},
		{"long array within", "*2\r\n" + long + "+a\r\n+OK\r\n", fmt.Sprintf("*2\r\n:%d\r\n+a\r\n+OK\r\n", maxArray+1), nil},
		{
			"arrays within a long one", "*2\r\n" + strings.Replace(long, "+x\r\n", deep+bulk(101), 1) + "+a\r\n+OK\r\n",
			fmt.Sprintf("*2\r\n:%d\r\n+a\r\n+OK\r\n", maxArray+1), nil,
		},
		{
			"many values", "*17\r\n" + strings.Repeat(full, 17) + "+OK\r\n",
			"*17\r\n" + strings.Repeat(full, 15) + strings.Repeat(fmt.Sprintf(":%d\r\n", maxArray), 2) + "+OK\r\n", nil,
		},
		{"as deep as it goes", deep + "+x\r\n+OK\r\n", "=", nil},
		{"deeper", "*1\r\n" + deep, deep, ErrReply},
		{"long array", long, "", ErrReply},
		{"lines without end", "*100\r\n" + strings.Repeat("+123456\r\n", 100), "*100\r\n" + strings.Repeat("+123456\r\n", 27), ErrReply},
		{"two gibibytes", "*1\r\n$2147483648\r\n", "*1\r\n", ErrReply},
		{"a billion elements", "*1\r\n*1000000000\r\n", "*1\r\n", ErrReply},
		{"negative", "*1\r\n*-2\r\n", "*1\r\n", ErrReply},
		{"map of RESP 3", "*1\r\n%1\r\n", "*1\r\n", ErrReply},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.Replace(tt.want, "=", tt.in, 1)
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				if got, err := throughStreams(in, 100, 250); got != want || !errors.Is(err, tt.err) {
					t.Errorf("%.60q came through as %.60q, %v, want %.60q, %v", tt.in, got, err, want, tt.err)
				}
			}
		})
	}
}

// What comes through is the same however the stream is cut, is no longer, and
// comes through again as it is.
func FuzzStreams(f *testing.F) {
	for _, seed := range []string{
		"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\na\r\n$20\r\n01234567890123456789\r\n",
		"*2\r\n*5000\r\n+x\r\n", "*-1\r\n+OK\r\n", "*2\r\n*-1\r\n$-1\r\n", "-ERR no\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := throughStreams(bytes.NewReader(in), 16, 64)
		cut, cutErr := throughStreams(iotest.OneByteReader(bytes.NewReader(in)), 16, 64)
		if whole != cut || (err == nil) != (cutErr == nil) {
			t.Fatalf("%q comes through as %q, %v; byte by byte %q, %v", in, whole, err, cut, cutErr)
		}
		if len(whole) > len(in) {
			t.Fatalf("%q comes through as more: %q", in, whole)
		}
		// An integer that stands for something counts as a line, which the first time it did not.
		again, err := throughStreams(strings.NewReader(whole), 16, 64+len(whole))
		if again != whole || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%q comes through again as %q, %v", whole, again, err)
		}
	})
}
