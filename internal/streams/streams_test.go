package streams

import (
	"errors"
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want ID
		err  error
	}{
		{"0-0", ID{}, nil},
		{"1700000000000-5", ID{1700000000000, 5}, nil},
		{"18446744073709551615-18446744073709551615", Max, nil},
		{"", ID{}, ErrID},
		{"-", ID{}, ErrID},
		{"5", ID{}, ErrID},
		{"5-", ID{}, ErrID},
		{"-5", ID{}, ErrID},
		{"5-*", ID{}, ErrID},
		{"05-1", ID{}, ErrID},
		{"5-00", ID{}, ErrID},
		{"+5-1", ID{}, ErrID},
		{"5-1-1", ID{}, ErrID},
		{" 5-1", ID{}, ErrID},
		{"5-1\n", ID{}, ErrID},
		{"1_0-1", ID{}, ErrID},
		{"18446744073709551616-0", ID{}, ErrID},
	} {
		if got, err := Parse(tt.in); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("Parse(%q) = %v, %v, want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func TestOrder(t *testing.T) {
	ids := []ID{{}, {0, 1}, {0, Max.Seq}, {1, 0}, {2, 7}, {2, 8}, {Max.MS, 0}, Max}
	for i, a := range ids {
		for j, b := range ids {
			if got, want := a.Compare(b), min(max(i-j, -1), 1); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
		if next := a.Next(); a != Max && next.Compare(a) <= 0 {
			t.Errorf("%v.Next() = %v, want one after it", a, next)
		}
	}
	if got := (ID{0, Max.Seq}).Next(); got != (ID{1, 0}) {
		t.Errorf("Next = %v, want 1-0", got)
	}
	if got := Max.Next(); got != Max {
		t.Errorf("Max.Next() = %v, want Max", got)
	}
}

// The checksum is that of Redis Cluster, whose specification gives the first.
func TestKey(t *testing.T) {
	for in, want := range map[string]uint16{"123456789": 0x31C3, "": 0, "foo": 44950, "feed:football:fantasy": 22925} {
		if got := crc16(in); got != want {
			t.Errorf("crc16(%q) = %d, want %d", in, got, want)
		}
	}
	for _, tt := range []struct {
		tag        string
		partitions int
		want       string
	}{
		{"123456789", 0, "sb:stream"},
		{"123456789", 1, "sb:stream"},
		{"123456789", 4, "sb:stream:{3}"}, // 12739
		{"123456789", 16384, "sb:stream:{12739}"},
	} {
		if got := Key("sb:", tt.tag, tt.partitions); got != tt.want {
			t.Errorf("Key(%q, %d) = %q, want %q", tt.tag, tt.partitions, got, tt.want)
		}
	}
	if got := Keys("", 1); !slices.Equal(got, []string{"stream"}) {
		t.Errorf("Keys(1) = %q", got)
	}
	if got := Keys("sb:", 3); !slices.Equal(got, []string{"sb:stream:{0}", "sb:stream:{1}", "sb:stream:{2}"}) {
		t.Errorf("Keys(3) = %q", got)
	}
}

// What parses is written the same way.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"0-0", "1700000000000-5", "18446744073709551615-18446744073709551615", "5", "5-*", "05-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		id, err := Parse(in)
		if err == nil && id.String() != in {
			t.Errorf("Parse(%q).String() = %q", in, id)
		}
		if err != nil && !id.IsZero() {
			t.Errorf("Parse(%q) = %v and an error", in, id)
		}
	})
}
