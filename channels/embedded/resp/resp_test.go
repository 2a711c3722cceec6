package resp

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

var limits = Limits{Args: 4, Bulk: 16, Total: 32, Line: 64}

func TestCommand(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     []string // of the first command, joined; nil for none
		err      error
	}{
		{"array", "*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n", []string{"PING", "hi"}, nil},
		{"any bytes", "*1\r\n$4\r\n\r\n\x00\xff\r\n", []string{"\r\n\x00\xff"}, nil},
		{"empty argument", "*2\r\n$1\r\nx\r\n$0\r\n\r\n", []string{"x", ""}, nil},
		{"empty array", "*0\r\n", nil, nil},
		{"line feeds alone", "*1\n$4\nPING\r\n", []string{"PING"}, nil},
		{"inline", "PING hi\r\n", []string{"PING", "hi"}, nil},
		{"inline with quotes", "PUBLISH a:b '{\"x\":1}' \"c d\"\n", []string{"PUBLISH", "a:b", `{"x":1}`, "c d"}, nil},
		{"empty line", "\r\n", nil, nil},
		{"nothing", "", nil, io.EOF},
		{"cut in a line", "*1", nil, io.ErrUnexpectedEOF},
		{"cut before an argument", "*1\r\n", nil, io.ErrUnexpectedEOF},
		{"cut in an argument", "*1\r\n$4\r\nPI", nil, io.ErrUnexpectedEOF},
		{"cut after an argument", "*1\r\n$4\r\nPING", nil, io.ErrUnexpectedEOF},
		{"most arguments", "*4\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n", []string{"", "", "", ""}, nil},
		{"one argument more", "*5\r\n", nil, ErrArgs},
		{"a billion arguments", "*1000000000\r\n", nil, ErrArgs},
		{"negative arguments", "*-1\r\n", nil, ErrArgs},
		{"no number of arguments", "*x\r\n", nil, ErrArgs},
		{"overflowing arguments", "*99999999999999999999999\r\n", nil, ErrArgs},
		{"largest argument", "*1\r\n$16\r\n0123456789abcdef\r\n", []string{"0123456789abcdef"}, nil},
		{"one byte more", "*1\r\n$17\r\n", nil, ErrBulk},
		{"huge argument", "*1\r\n$9999999999\r\n", nil, ErrBulk},
		{"null argument", "*1\r\n$-1\r\n", nil, ErrBulk},
		{"wrong length", "*1\r\n$3\r\nPING\r\n", nil, ErrBulk},
		{"too large in all", "*3\r\n$16\r\n0123456789abcdef\r\n$16\r\n0123456789abcdef\r\n$1\r\n", nil, ErrTotal},
		{"no argument", "*1\r\n:1\r\n", nil, ErrSyntax},
		{"nested", "*1\r\n*1\r\n", nil, ErrSyntax},
		{"long line", strings.Repeat("x", 65) + "\n", nil, ErrLine},
		{"endless line", strings.Repeat("x", 9000), nil, ErrLine},
		{"open quote", "PING 'x\n", nil, ErrQuotes},
		{"many inline", "1 2 3 4 5\n", nil, ErrArgs},
		{"a browser's POST", "POST / HTTP/1.1\r\n", nil, ErrForeign},
		{"a browser's header", "Host: localhost:6380\r\n", nil, ErrForeign},
		{"in other letters", "get / hTTp/1.0\n", nil, ErrForeign},
		{"no browser", "HTTP/1.1 host\n", []string{"HTTP/1.1", "host"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, stream := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				args, err := NewReader(stream, limits).Command()
				var got []string
				for _, arg := range args {
					got = append(got, string(arg))
				}
				if !errors.Is(err, tt.err) || !slices.Equal(got, tt.want) {
					t.Errorf("Command(%.40q) = %q, %v, want %q, %v", tt.in, got, err, tt.want, tt.err)
				}
			}
		})
	}
}

func TestAppend(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{string(AppendSimple(nil, "OK")), "+OK\r\n"},
		{string(AppendError(nil, "ERR a\r\n+b")), "-ERR a  +b\r\n"},
		{string(AppendInt(nil, -7)), ":-7\r\n"},
		{string(AppendBulk(nil, "é\r\n")), "$4\r\né\r\n\r\n"},
		{string(AppendArray(nil, 2)), "*2\r\n"},
		{string(AppendMap(nil, 3, 2)), "%2\r\n"},
		{string(AppendMap(nil, 2, 2)), "*4\r\n"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

// What is read is the same when it is written and read again, however the
// stream is cut, and takes no more memory than came.
func FuzzCommand(f *testing.F) {
	for _, seed := range []string{
		"*2\r\n$4\r\nPING\r\n$2\r\nhi\r\n", "PING hi\r\n", "*3\r\n$7\r\nPUBLISH\r\n$1\r\nx\r\n$8\r\n{\"a\":1}\n\r\n",
		"*1000000000\r\n", "*1\r\n$9999999999\r\n", "POST / HTTP/1.1\r\n", "'a' \"b\"\n", "*-1\r\n",
	} {
		f.Add([]byte(seed))
	}
	limits := Limits{Args: 64, Bulk: 1 << 20, Total: 1 << 20, Line: 1 << 16}
	f.Fuzz(func(t *testing.T, in []byte) {
		var args [][]byte
		var err error
		used := allocated(func() { args, err = NewReader(bytes.NewReader(in), limits).Command() })
		if most := uint64(10*len(in) + 16<<10); used > most {
			t.Fatalf("%d bytes made %d be allocated, want at most %d", len(in), used, most)
		}
		cut, cutErr := NewReader(iotest.OneByteReader(bytes.NewReader(in)), limits).Command()
		if !slices.EqualFunc(args, cut, bytes.Equal) || (err == nil) != (cutErr == nil) {
			t.Fatalf("Command = %q, %v; byte by byte %q, %v", args, err, cut, cutErr)
		}
		if err != nil {
			return
		}
		again, err := NewReader(bytes.NewReader(AppendCommand(nil, args...)), limits).Command()
		if err != nil || !slices.EqualFunc(args, again, bytes.Equal) {
			t.Fatalf("Command of what %q was written as = %q, %v", args, again, err)
		}
	})
}

// allocated is how many bytes f allocates, the least of three times: others
// allocate too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	least := ^uint64(0)
	for range 3 {
		runtime.ReadMemStats(&before)
		f()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}
