package redisnet

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/sb-stream/stream-server/internal/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// A stream is a connection that only reads.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error) { return s.Reader.Read(p) }

// through is what of in comes through the limits, and the error after it.
func through(in io.Reader, largest int) (string, error) { return throughStreams(in, largest, 0) }

func throughStreams(in io.Reader, largest, reply int) (string, error) {
	var out bytes.Buffer
	_, err := out.ReadFrom(limit(stream{Reader: in}, largest, reply))
	return out.String(), err
}

func TestReplies(t *testing.T) {
	big := strings.Repeat("x", 101)
	for _, tt := range []struct {
		name, in string
		want     string // that comes through; "=" is all of it
		err      error
	}{
		{"nothing", "", "=", nil},
		{"status", "+OK\r\n", "=", nil},
		{"error", "-NOPERM no\r\n", "=", nil},
		{"integer", ":-12\r\n", "=", nil},
		{"string", "$5\r\nhe\r\no\r\n", "=", nil},
		{"empty string", "$0\r\n\r\n", "=", nil},
		{"null", "$-1\r\n*-1\r\n", "=", nil},
		{"message", "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$100\r\n" + big[1:] + "\r\n+PONG\r\n", "=", nil},
		{"empty array", "*0\r\n+OK\r\n", "=", nil},
		{"large message", "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$101\r\n" + big + "\r\n+PONG\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n:101\r\n+PONG\r\n", nil},
		{"large string", "$101\r\n" + big + "\r\n$1\r\nx\r\n", ":101\r\n$1\r\nx\r\n", nil},
		{"the longest line", "-" + strings.Repeat("x", maxLine-3) + "\r\n", "=", nil},
		{"two arrays", "*2\r\n+a\r\n+b\r\n*1\r\n+c\r\n", "=", nil},

		{"cut in a line", "+O", "", io.ErrUnexpectedEOF},
		{"cut in a string", "$5\r\nhe", "=", nil}, // who reads it knows
		{"cut in a large string", "$101\r\nxx", "", nil},
		{"longer line", "-" + strings.Repeat("x", maxLine) + "\r\n", "", ErrReply},
		{"no end of a line", strings.Repeat("+", 1<<20), "", ErrReply},
		{"two gibibytes", "$2147483648\r\n", "", ErrReply},
		{"more than Redis has", "$536870913\r\n", "", ErrReply},
		{"more than a number has", "$99999999999999999999999999\r\n", "", ErrReply},
		{"negative string", "$-2\r\n", "", ErrReply},
		{"no length", "$\r\n", "", ErrReply},
		{"no number", "$1x\r\n", "", ErrReply},
		{"no return", "$1\n", "", ErrReply},
		{"long array", "*17\r\n", "", ErrReply},
		{"a billion elements", "*1000000000\r\n", "", ErrReply},
		{"nested", "*1\r\n*1\r\n*1\r\n", "*1\r\n", ErrReply},
		{"RESP 3 push", ">3\r\n", "", ErrReply},
		{"RESP 3 map", "%1\r\n", "", ErrReply},
		{"HTTP", "HTTP/1.1 400 Bad Request\r\n", "", ErrReply},
		{"empty line", "\r\n", "", ErrReply},
		{"an answer before the fault", "+OK\r\n?", "+OK\r\n", io.ErrUnexpectedEOF},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want := strings.Replace(tt.want, "=", tt.in, 1)
			for _, in := range []io.Reader{strings.NewReader(tt.in), iotest.OneByteReader(strings.NewReader(tt.in))} {
				if got, err := through(in, 100); got != want || !errors.Is(err, tt.err) {
					t.Errorf("%.60q came through as %.60q, %v, want %.60q, %v", tt.in, got, err, want, tt.err)
				}
			}
		})
	}
}

// What has come whole is passed on while the rest is still on its way.
func TestNothingWaitsForMore(t *testing.T) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	conn := limit(here, 100, 0)
	go func() { // ends when all is read
		_, _ = io.WriteString(there, "+one\r\n$3\r\ntw")
	}()
	got := make([]byte, 100)
	n, err := io.ReadAtLeast(conn, got, len("+one\r\n$3\r\ntw"))
	if err != nil || string(got[:n]) != "+one\r\n$3\r\ntw" {
		t.Errorf("Read = %q, %v", got[:n], err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
	if n, err := conn.Read(got); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read of nothing = %d, %v, want the deadline", n, err)
	}
}

// A string of 256 MiB takes no memory.
func TestLargeStringTakesNoMemory(t *testing.T) {
	const size = 256 << 20
	in := io.MultiReader(strings.NewReader("$268435456\r\n"), io.LimitReader(zeros{}, size), strings.NewReader("\r\n+OK\r\n"))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := through(in, 1<<20)
	runtime.ReadMemStats(&after)
	if want := ":268435456\r\n+OK\r\n"; got != want || err != nil {
		t.Errorf("it came through as %.60q, %v, want %q", got, err, want)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d bytes were allocated, want at most 1 MiB", took)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// What comes through is the same however the stream is cut, and never holds a
// length that was not allowed.
func FuzzReplies(f *testing.F) {
	for _, seed := range []string{
		"+OK\r\n", "$5\r\nhello\r\n", "*3\r\n$7\r\nmessage\r\n$1\r\nx\r\n$20\r\n01234567890123456789\r\n",
		"*-1\r\n", "$2147483648\r\n", ":1\r\n-ERR\r\n", "HTTP/1.1 200 OK\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, err := through(bytes.NewReader(in), 16)
		cut, cutErr := through(iotest.OneByteReader(bytes.NewReader(in)), 16)
		if whole != cut || (err == nil) != (cutErr == nil) {
			t.Fatalf("%q comes through as %q, %v; byte by byte %q, %v", in, whole, err, cut, cutErr)
		}
		if len(whole) > len(in) {
			t.Fatalf("%q comes through as more: %q", in, whole)
		}
		again, err := through(strings.NewReader(whole), 16)
		if again != whole || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%q comes through again as %q, %v", whole, again, err)
		}
	})
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	empty := dir + "/empty.pem"
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name  string
		files Files
		want  string
	}{
		{"no file", Files{CA: dir + "/none.pem"}, "no such file"},
		{"no certificate", Files{CA: empty}, "empty.pem holds no certificate"},
		{"no key", Files{Cert: empty}, ErrPair.Error()},
		{"no pair", Files{Cert: empty, Key: empty}, "empty.pem"},
	} {
		if config, err := tt.files.Config(); config != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Config = %v, %v, want %q", tt.name, config, err, tt.want)
		}
	}
}
