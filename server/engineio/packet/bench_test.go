package packet

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// What a poll is answered with, by how much waits for it.
func BenchmarkAppendPayload(b *testing.B) {
	message := []byte(`42["feed:football:fantasy",{"goal":1,"minute":73,"team":"home"},"00000000000042.a1b2c3d4e5f60718"]`)
	for _, v := range []Version{V4, V3} {
		for _, n := range []int{1, 100} {
			b.Run(fmt.Sprintf("v%d/%d", v, n), func(b *testing.B) {
				list := make([]Encoded, n)
				for i := range list {
					list[i].Data = message
				}
				var buf []byte
				b.ReportAllocs()
				for b.Loop() {
					buf, _ = v.AppendPayload(buf[:0], list, true)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/packet")
			})
		}
	}
}

func BenchmarkDecodePayload(b *testing.B) {
	message := `42["subscribe","feed:football:fantasy"]`
	for _, n := range []int{1, 100} {
		for _, v := range []Version{V4, V3} {
			body, _ := v.AppendPayload(nil, texts(strings.Split(strings.Repeat(message+"\n", n), "\n")[:n]...), true)
			b.Run(fmt.Sprintf("v%d/%d", v, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					if _, err := v.DecodePayload(body, false, limit); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkUTF16Len(b *testing.B) {
	for name, p := range map[string][]byte{
		"ascii":   bytes.Repeat([]byte("x"), 1000),
		"unicode": bytes.Repeat([]byte("é"), 500),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				UTF16Len(p)
			}
		})
	}
}
