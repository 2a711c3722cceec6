package server

import (
	"testing"

	"golang.org/x/sys/unix"
)

// limit sets how many descriptors this process may have, until the test ends.
func limit(t *testing.T) (set func(n int)) {
	t.Helper()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) })
	return func(n int) {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(n), Max: was.Max}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDescriptorsShort(t *testing.T) {
	set := limit(t)
	open, err := countDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	// Other tests leave connections that may end meanwhile, but none begins.
	for _, tt := range []struct {
		name  string
		limit int
		want  bool
	}{
		{"much room", 10 * (open + leastReserve), false},
		{"none beside the reserve", leastReserve + min(open, leastReserve/2), true},
		{"none", 0, true},
	} {
		set(tt.limit)
		if got := new(descriptors).short(); got != tt.want {
			t.Errorf("%s: short() = %v with %d open of %d, want %v", tt.name, got, open, tt.limit, tt.want)
		}
	}
}

func TestDescriptorsAreCountedSeldom(t *testing.T) {
	limit(t)(1000)
	d := &descriptors{}
	if d.short() {
		t.Fatal("short() = true at the start, want room")
	}
	for room := d.room; room > 0; room-- {
		if d.short() || d.room != room-1 {
			t.Fatalf("short() counted with room for %d", room)
		}
	}
}

func TestCountDescriptors(t *testing.T) {
	before, err := countDescriptors()
	if err != nil {
		t.Fatal(err)
	}
	const more = 100
	for range more {
		fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
	}
	// Connections of other tests may end meanwhile.
	if after, err := countDescriptors(); err != nil || after > before+more || after < before+more/2 {
		t.Errorf("countDescriptors() = %d, %v after %d and %d more", after, err, before, more)
	}
}
