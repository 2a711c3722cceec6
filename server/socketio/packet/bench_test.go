package packet

import (
	"bytes"
	"fmt"
	"testing"
)

func BenchmarkAppendArray(b *testing.B) {
	for _, size := range []int{128, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := []byte(`{"x":"` + string(bytes.Repeat([]byte("x"), size)) + `"}`)
			position := []byte(`"00000000000042.a1b2c3d4e5f60718"`)
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = appendEvent(buf[:0], "/", NoID, "feed:football:fantasy", data, position)
			}
		})
	}
}

func BenchmarkAppendASCII(b *testing.B) {
	for name, unit := range map[string]string{"ascii": "hello, world ", "few": "hello, world é ", "many": "世界😀"} {
		b.Run(name, func(b *testing.B) {
			data := bytes.Repeat([]byte(unit), 1000/len(unit))
			var buf []byte
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				buf = AppendASCII(buf[:0], data)
			}
		})
	}
}

// What each packet of a client costs: decoding, and taking the event apart.
func BenchmarkDecode(b *testing.B) {
	for name, in := range map[string]string{
		"subscribe": `20["subscribe",["feed:football:fantasy","feed:tennis"],{"since":"00000000000042.a1b2c3d4e5f60718"}]`,
		"binary":    `51-["picture",{"name":"a.png","data":{"_placeholder":true,"num":0}}]`,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(in)))
			for b.Loop() {
				p, err := Decode([]byte(in))
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := p.Event(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
