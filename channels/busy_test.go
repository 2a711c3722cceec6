package channels

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// loaded is channels that all have a client, with messages of one byte on them:
// every so many milliseconds, for so many.
func loaded(keep, milliseconds int, every map[string]int) *Channels {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Keep: keep, Age: time.Minute, Bytes: 1 << 30})
	for tag := range every {
		subscribe(cs, tag, &fakeClient{id: "c"})
	}
	for i := range milliseconds {
		for tag, n := range every {
			if i%n == 0 {
				cs.Publish(tag, []byte("1"))
			}
		}
		time.Sleep(time.Millisecond)
	}
	return cs
}

func TestBusiest(t *testing.T) {
	many := make(map[string]int)
	for i := range 50 {
		many[fmt.Sprintf("%02d", i)] = 50 + 50*(i/25)
	}
	for _, tt := range []struct {
		name     string
		keep, ms int
		quiet    time.Duration
		every    map[string]int
		want     map[string]float64 // the first of them: messages a second
	}{
		{"slow and fast", 300, 10_000, 0, map[string]int{"a": 100, "b": 1000}, map[string]float64{"a": 10, "b": 1}},
		// The one that is slower began 4 s ago, of the 10 s that count.
		{"more than are kept", 300, 4000, 0, map[string]int{"hot": 1, "warm": 20}, map[string]float64{"hot": 1000, "warm": 20}},
		{"more than are looked at", 300, 15_000, 0, many, map[string]float64{"00": 20, "24": 20}},
		{"long ago", 300, 1000, loadWindow, map[string]int{"a": 1}, nil},
		{"none are kept", 0, 100, 0, map[string]int{"a": 1}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cs := loaded(tt.keep, tt.ms, tt.every)
				defer cs.Close()
				time.Sleep(tt.quiet)
				got := cs.Busiest(25)
				if len(tt.want) == 0 && len(got) != 0 {
					t.Fatalf("Busiest = %v, want none", got)
				}
				for tag, want := range tt.want {
					i := slices.IndexFunc(got, func(l Load) bool { return l.Tag == tag })
					if i < 0 || got[i].Rate < 0.95*want || got[i].Rate > 1.05*want || got[i].Bytes != got[i].Rate || got[i].Clients != 1 {
						t.Errorf("Busiest = %v, want %q with %v messages a second", got, tag, want)
					}
					if record := cs.Record(tag, 1); record.Kept != min(tt.keep, tt.ms/tt.every[tag]) || record.Load.Rate < 0.95*want || record.Load.Rate > 1.05*want {
						t.Errorf("Record(%q) has %d messages and %v a second, want %v", tag, record.Kept, record.Load.Rate, want)
					}
				}
			})
		})
	}
}

func TestMostHeard(t *testing.T) {
	cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
	var all []Listing
	for i := range 3000 {
		l := Listing{fmt.Sprintf("%d-%d", rand.IntN(1000), i), 1 + rand.IntN(2)}
		if i%500 == 0 {
			l.Clients = 100 + rand.IntN(100)
		}
		for j := range l.Clients {
			subscribe(cs, l.Tag, &fakeClient{id: strconv.Itoa(j)})
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Listing) int {
		if a.Clients != b.Clients {
			return b.Clients - a.Clients
		}
		return slices.Compare([]byte(a.Tag), []byte(b.Tag))
	})
	for _, limit := range []int{1, 3, 40, 2999, 3000, 4000} {
		if got := cs.MostHeard(limit); !slices.Equal(got, all[:min(limit, len(all))]) {
			t.Errorf("MostHeard(%d) has %d channels, or others than the %d most heard", limit, len(got), min(limit, len(all)))
		}
	}
}
