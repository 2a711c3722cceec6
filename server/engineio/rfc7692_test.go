package engineio

import (
	"bytes"
	"compress/flate"
	"fmt"
	"strings"
	"testing"

	"github.com/gobwas/ws"
)

// packed is data as one message has it, without its end (RFC 7692, 7.2.1).
func packed(data string, level int) string {
	var buf bytes.Buffer
	w, err := flate.NewWriter(&buf, level)
	if err != nil {
		panic(err)
	}
	_, _ = w.Write([]byte(data)) // memory takes everything
	_ = w.Flush()
	return strings.TrimSuffix(buf.String(), syncEnd)
}

// compressedFrames are a message of packed data, in one frame for each part.
func compressedFrames(op ws.OpCode, parts ...string) string {
	var b strings.Builder
	for i, part := range parts {
		frame := []byte(clientFrame(op, i == len(parts)-1, part))
		if i == 0 {
			frame[0] |= rsv1
		}
		b.Write(frame)
		op = ws.OpContinuation
	}
	return b.String()
}

// deflateCases are of RFC 7692, for a client that has negotiated
// permessage-deflate. Its examples say "Hello".
func deflateCases() []frameCase {
	const hello = "\xf2\x48\xcd\xc9\xc9\x07\x00"
	const helloFinal = "\xf3\x48\xcd\xc9\xc9\x07\x00"
	said := []string{"binary 48656c6c6f"}
	binary := func(parts ...string) string { return compressedFrames(ws.OpBinary, parts...) }
	whole := letters(suiteLimit)
	zeros := strings.Repeat("\x00", 1<<20)
	control := func(op ws.OpCode) string { return string([]byte{0xc0 | byte(op)}) + clientFrame(op, true, "")[1:] }
	cases := []frameCase{
		{"7.2.3.1 one block", binary(hello), said},
		{"7.2.3.1 one block in two fragments", binary(hello[:3], hello[3:]), said},
		{"7.2.3.1 one block in fragments of a byte", binary(bytewise(hello)...), said},
		{"7.2.3.1 one block, empty fragments around", binary("", hello, ""), said},
		{"7.2.3.1 one block, a ping within", binary(hello[:3], "")[:6+3] + clientFrame(ws.OpPing, true, "p") +
			clientFrame(ws.OpContinuation, true, hello[3:]), []string{"pong p", said[0]}},
		{"7.2.3.2 a window of the message before, which was not agreed on", binary(hello) + binary("\xf2\x00\x11\x00\x00"), []string{said[0], "close 1007"}},
		{"7.2.3.3 a block that is not compressed", binary("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"), said},
		{"7.2.3.4 final block", binary(helloFinal + "\x00"), said},
		{"7.2.3.4 final block, and nothing", binary(helloFinal), said},
		{"7.2.3.4 final block, then another message", binary(helloFinal+"\x00") + binary(hello), []string{said[0], said[0]}},
		{"7.2.3.5 two blocks", binary("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"), said},
		{"7.2.3.6 empty message", binary("\x00"), []string{"binary "}},
		{"7.2.3.6 empty message, its empty block in a fragment", binary("", "\x00"), []string{"binary "}},
		{"7.2.3.6 empty text, which is no packet", compressedFrames(ws.OpText, "\x00"), []string{"close 1005"}},

		{"6 a message that is not compressed", clientFrame(ws.OpText, true, "4a"), []string{"text 4a"}},
		{"6 one that is and one that is not", binary(hello) + clientFrame(ws.OpBinary, true, "x"), []string{said[0], "binary 78"}},
		{"6 compressed text", compressedFrames(ws.OpText, packed("4a", 9)), []string{"text 4a"}},
		{"6 a message that is not compressed, in fragments", textFrames("4a", "b"), []string{"text 4ab"}},
		{"6.1 RSV1 on the continuation alone", clientFrame(ws.OpBinary, false, hello[:3]) + control(ws.OpContinuation), protocolError},
		{"6.1 RSV1 on both fragments", binary(hello[:3], "")[:6+3] + control(ws.OpContinuation), protocolError},
		{"6.1 RSV1 on a continuation of nothing", control(ws.OpContinuation), protocolError},
		{"6.1 RSV1 on a ping", control(ws.OpPing), protocolError},
		{"6.1 RSV1 on a pong", control(ws.OpPong), protocolError},
		{"6.1 RSV1 on a close", control(ws.OpClose), protocolError},
		{"6.1 RSV1 on a ping within a message", clientFrame(ws.OpText, false, "4") + control(ws.OpPing), protocolError},
		{"6.1 RSV1 and RSV2", "\xe2" + binary(hello)[1:], protocolError},
		{"6.1 RSV1 and RSV3", "\xd2" + binary(hello)[1:], protocolError},
		{"6.1 RSV2 alone", "\xa2" + binary(hello)[1:], protocolError},
		{"6.1 RSV1 on a reserved opcode", "\xc3" + binary(hello)[1:], protocolError},
		{"6.1 RSV1 that is not masked", "\xc2\x07" + hello, protocolError},

		{"7.2.2 nothing at all", binary(""), badText},
		{"7.2.2 no block of any type", binary("\xff"), badText},
		{"7.2.2 what is not compressed", binary("hello"), badText},
		{"7.2.2 lengths of a stored block that differ", binary("\x00\x05\x00\xfa\xfeHello\x00"), badText},
		{"7.2.2 stored block that is cut", binary("\x00\x05\x00\xfa\xffHel"), badText},
		{"7.2.2 a distance before the beginning", binary("\xf2\x00\x11\x00\x00"), badText},
		{"7.2.2 bytes after the end", binary(hello + "\xff"), badText},
		{"7.2.2 bytes after the final block", binary(helloFinal + "xyz"), badText},
		{"7.2.2 a byte after the final block", binary(helloFinal + "\x01"), badText},
		{"7.2.2 a message after the final block", binary(helloFinal + hello), badText},
		{"7.2.2 a final block after the final block", binary(helloFinal + helloFinal), badText},
		{"8.1 UTF-8 inside", compressedFrames(ws.OpText, packed("4κόσμε", 9)), []string{"text 4κόσμε"}},
		{"8.1 UTF-8 inside, cut at each byte of what is compressed", compressedFrames(ws.OpText, bytewise(packed("4κόσμε", 9))...), []string{"text 4κόσμε"}},
		{"8.1 no UTF-8 inside", compressedFrames(ws.OpText, packed("4\xff", 9)), badText},
		{"8.1 a cut character inside", compressedFrames(ws.OpText, packed("4\xce", 9)), badText},
		{"8.1 a surrogate inside", compressedFrames(ws.OpText, packed("4\xed\xa0\x80", 9)), badText},

		{"10.4 largest message", compressedFrames(ws.OpText, packed(whole, 9)), []string{"text " + whole}},
		{"10.4 one byte more", compressedFrames(ws.OpText, packed(whole+"x", 9)), tooBig},
		{"10.4 largest message in fragments", compressedFrames(ws.OpText, bytewise(packed(whole, 9))...), []string{"text " + whole}},
		{"10.4 one byte more in fragments", compressedFrames(ws.OpText, bytewise(packed(whole+"x", 9))...), tooBig},
		{"10.4 largest message with a final block", compressedFrames(ws.OpText, final(whole)), []string{"text " + whole}},
		{"10.4 a bomb", binary(packed(zeros, 9)), tooBig},
		{"10.4 a bomb with a final block", binary(final(zeros)), tooBig},
		{"10.4 a bomb in fragments", binary(bytewise(packed(zeros[:suiteLimit+1], 9))...), tooBig},
		{"10.4 compressed above the limit, from the header alone", "\xc2\xff\x00\x00\x00\x00\x00\x01\x11\x71\x01\x02\x03\x04", tooBig},
	}
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
		for _, n := range []int{1, 1000, 40_000} {
			cases = append(cases, frameCase{
				fmt.Sprintf("7.2.1 %d bytes of level %d", n, level), compressedFrames(ws.OpText, packed(letters(n), level)), []string{"text " + letters(n)},
			})
		}
	}
	for i := 1; i < len(hello)-1; i++ {
		cases = append(cases, frameCase{fmt.Sprintf("7.2.2 cut after %d bytes", i), binary(hello[:i]), badText})
	}
	return cases
}

// final is data as one message has it that ends in a final block.
func final(data string) string {
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, flate.BestCompression) // the level is valid
	_, _ = w.Write([]byte(data))                         // memory takes everything
	_ = w.Close()
	return buf.String() + "\x00"
}

// TestDeflateOffers holds what is agreed on against RFC 7692, 5 and 7.1.
func TestDeflateOffers(t *testing.T) {
	const agreed = "permessage-deflate;server_no_context_takeover;client_no_context_takeover"
	for _, tt := range []struct{ name, offer, want string }{
		{"7.1 alone", "permessage-deflate", agreed},
		{"7.1.1.1 server_no_context_takeover", "permessage-deflate; server_no_context_takeover", agreed},
		{"7.1.1.1 with a value", "permessage-deflate; server_no_context_takeover=1", ""},
		{"7.1.1.1 twice", "permessage-deflate; server_no_context_takeover; server_no_context_takeover", ""},
		{"7.1.1.2 client_no_context_takeover", "permessage-deflate; client_no_context_takeover", agreed},
		{"7.1.1.2 with a value", "permessage-deflate; client_no_context_takeover=true", ""},
		{"7.1.1.2 twice", "permessage-deflate; client_no_context_takeover; client_no_context_takeover", ""},
		{"7.1.2.1 server_max_window_bits=8, less than we have", "permessage-deflate; server_max_window_bits=8", ""},
		{"7.1.2.1 without a value", "permessage-deflate; server_max_window_bits", ""},
		{"7.1.2.1 of 7", "permessage-deflate; server_max_window_bits=7", ""},
		{"7.1.2.1 of 16", "permessage-deflate; server_max_window_bits=16", ""},
		{"7.1.2.1 with a zero in front", "permessage-deflate; server_max_window_bits=010", ""},
		{"7.1.2.1 that is no number", "permessage-deflate; server_max_window_bits=x", ""},
		{"7.1.2.1 twice", "permessage-deflate; server_max_window_bits=15; server_max_window_bits=15", ""},
		{"7.1.2.2 client_max_window_bits", "permessage-deflate; client_max_window_bits", agreed},
		{"7.1.2.2 of 8", "permessage-deflate; client_max_window_bits=8", agreed},
		{"7.1.2.2 of 15", "permessage-deflate; client_max_window_bits=15", agreed},
		{"7.1.2.2 quoted", `permessage-deflate; client_max_window_bits="15"`, agreed},
		{"7.1.2.2 of 7", "permessage-deflate; client_max_window_bits=7", ""},
		{"7.1.2.2 of 16", "permessage-deflate; client_max_window_bits=16", ""},
		{"7.1.2.2 of 0", "permessage-deflate; client_max_window_bits=0", ""},
		{"7.1.2.2 below zero", "permessage-deflate; client_max_window_bits=-1", ""},
		{"7.1.2.2 twice", "permessage-deflate; client_max_window_bits=10; client_max_window_bits=10", ""},
		{"7.1.2.2 twice, without a value", "permessage-deflate; client_max_window_bits; client_max_window_bits", ""},
		{"7.1.3 what nobody knows", "permessage-deflate; foo", ""},
		{"5.1 a second offer that is good", "permessage-deflate; foo, permessage-deflate", agreed},
		{"5.1 two good offers", "permessage-deflate; client_max_window_bits, permessage-deflate", agreed},
		{"5.1 another extension", "permessage-bzip2", ""},
		{"5.1 another extension before", "permessage-bzip2, permessage-deflate", agreed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{Compress: true})
			c, got := a.upgraded(t, "EIO=4", tt.offer)
			if got != tt.want {
				t.Errorf("offered %q, agreed on %q, want %q", tt.offer, got, tt.want)
			}
			c.next()
			c.raw(compressedFrames(ws.OpText, packed("4a", 9)))
			if tt.want != "" {
				c.want("text 4a")
			} else {
				c.want("close 1002")
			}
		})
	}
}
