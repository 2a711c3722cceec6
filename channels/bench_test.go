package channels

import (
	"fmt"
	"testing"
	"time"
)

func BenchmarkPublish(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint("clients=", n), func(b *testing.B) {
			cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing})
			for i := range n {
				subscribe(cs, "x", countingClient(fmt.Sprint(i)))
			}
			data := []byte(`{"goal":1}`)
			b.ReportAllocs()
			for b.Loop() {
				cs.Publish("x", data)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/delivery")
		})
	}
}

type countingClient string

func (c countingClient) ID() string { return string(c) }
func (countingClient) Send(*Round)  {}

// BenchmarkMeasured is what it costs to say how long each round took.
func BenchmarkMeasured(b *testing.B) {
	for name, sent := range map[string]func(*Round, time.Duration){"off": nil, "on": func(*Round, time.Duration) {}} {
		b.Run(name, func(b *testing.B) {
			cs := New(Config{Broker: newFakeBroker(), Encode: encodeNothing, Sent: sent})
			subscribe(cs, "x", countingClient("1"))
			data := []byte(`{"goal":1}`)
			b.ReportAllocs()
			for b.Loop() {
				cs.Publish("x", data)
			}
		})
	}
}
