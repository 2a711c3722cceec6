package engineio

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

var (
	protocolError = []string{"close 1002"}
	badText       = []string{"close 1007"}
	tooBig        = []string{"close 1009"}
)

// framingCases are of 5.1 to 5.3, and of 5.6: each frame for itself.
func framingCases() []frameCase {
	const key = "\x37\xfa\x21\x3d"
	cases := []frameCase{
		{"5.1 text that is not masked", "\x81\x024a", protocolError},
		{"5.1 binary that is not masked", "\x82\x01x", protocolError},
		{"5.1 ping that is not masked", "\x89\x00", protocolError},
		{"5.1 close that is not masked", "\x88\x02\x03\xe8", protocolError},
		{"5.1 not masked, after one that is", clientFrame(ws.OpText, true, "4a") + "\x81\x024b", []string{"text 4a", "close 1002"}},

		{"5.2 length 126 of 16 bits that is 125", frameOf(0x81, "\xfe\x00\x7d", key, letters(125)), []string{"text " + letters(125)}},
		{"5.2 length of 16 bits that is 2", frameOf(0x81, "\xfe\x00\x02", key, "4a"), []string{"text 4a"}},
		{"5.2 length of 64 bits that is 2", frameOf(0x81, "\xff\x00\x00\x00\x00\x00\x00\x00\x02", key, "4a"), []string{"text 4a"}},
		{"5.2 length of 64 bits that is 65535", frameOf(0x81, "\xff\x00\x00\x00\x00\x00\x00\xff\xff", key, letters(65535)), []string{"text " + letters(65535)}},
		{"5.2 length of 64 bits that is 0", frameOf(0x82, "\xff\x00\x00\x00\x00\x00\x00\x00\x00", key, ""), []string{"binary "}},
		{"5.2 length with its highest bit, and 1", frameOf(0x82, "\xff\x80\x00\x00\x00\x00\x00\x00\x01", key, "x"), protocolError},
		{"5.2 length of all bits", frameOf(0x82, "\xff\xff\xff\xff\xff\xff\xff\xff\xff", key, "x"), protocolError},
		{"5.2 largest length", frameOf(0x82, "\xff\x7f\xff\xff\xff\xff\xff\xff\xff", key, "x"), tooBig},
		{"5.2 length of 2^32", frameOf(0x82, "\xff\x00\x00\x00\x01\x00\x00\x00\x00", key, "x"), tooBig},
		{"5.2 length of 2^32 and 1", frameOf(0x82, "\xff\x00\x00\x00\x01\x00\x00\x00\x01", key, "x"), tooBig},
		{"5.2 length of 2^31", frameOf(0x82, "\xff\x00\x00\x00\x00\x80\x00\x00\x00", key, "x"), tooBig},
		{"5.2 what is no frame", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", protocolError},
		{"5.2 zeros", strings.Repeat("\x00", 20), protocolError},
		{"5.2 ones", strings.Repeat("\xff", 20), protocolError},

		{"5.6 two messages in a row", clientFrame(ws.OpText, true, "4a") + clientFrame(ws.OpBinary, true, "b"), []string{"text 4a", "binary 62"}},
		{"5.6 binary that is no UTF-8", clientFrame(ws.OpBinary, true, "\xff\x00\xc0"), []string{"binary ff00c0"}},
		{"5.6 empty binary", clientFrame(ws.OpBinary, true, ""), []string{"binary "}},
		{"5.6 empty text, which is no packet", clientFrame(ws.OpText, true, ""), []string{"close 1005"}},
		{"5.6 text that is no packet", clientFrame(ws.OpText, true, "x"), []string{"close 1005"}},
		{"5.6 a hundred messages", strings.Repeat(clientFrame(ws.OpText, true, "4a"), 100), repeated(100, "text 4a")},
	}
	for _, n := range []int{1, 2, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537} {
		cases = append(cases,
			frameCase{fmt.Sprintf("5.2 text of %d bytes", n), clientFrame(ws.OpText, true, letters(n)), []string{"text " + letters(n)}},
			frameCase{
				fmt.Sprintf("5.2 binary of %d bytes", n), clientFrame(ws.OpBinary, true, letters(n)),
				[]string{fmt.Sprintf("binary %x", letters(n))},
			})
	}
	for _, mask := range []string{"\x00\x00\x00\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x01", "\x01\x02\x03\x04"} {
		for _, n := range []int{1, 2, 3, 4, 5, 9} { // the mask begins again every four bytes
			cases = append(cases, frameCase{
				fmt.Sprintf("5.3 %d bytes under the mask %x", n, mask),
				frameOf(0x81, string([]byte{0x80 | byte(n)}), mask, letters(n)),
				[]string{"text " + letters(n)},
			})
		}
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong, ws.OpClose} {
			cases = append(cases, frameCase{
				fmt.Sprintf("5.2 reserved bits %03b on opcode %d", rsv, op),
				frameOf(0x80|rsv<<4|byte(op), "\x80", key, ""), protocolError,
			})
		}
	}
	for _, op := range []byte{3, 4, 5, 6, 7, 11, 12, 13, 14, 15} {
		cases = append(cases,
			frameCase{fmt.Sprintf("5.2 reserved opcode %d", op), frameOf(0x80|op, "\x81", key, "x"), protocolError},
			frameCase{fmt.Sprintf("5.2 reserved opcode %d in a fragment", op), frameOf(op, "\x81", key, "x"), protocolError},
			frameCase{
				fmt.Sprintf("5.2 reserved opcode %d within a message", op),
				clientFrame(ws.OpText, false, "4") + frameOf(0x80|op, "\x80", key, ""), protocolError,
			})
	}
	return cases
}

// fragmentCases are of 5.4.
func fragmentCases() []frameCase {
	first := func(data string) string { return clientFrame(ws.OpText, false, data) }
	next := func(data string) string { return clientFrame(ws.OpContinuation, false, data) }
	last := func(data string) string { return clientFrame(ws.OpContinuation, true, data) }
	ping := clientFrame(ws.OpPing, true, "p")
	return []frameCase{
		{"5.4 two fragments", textFrames("4a", "b"), []string{"text 4ab"}},
		{"5.4 three fragments", textFrames("4a", "b", "c"), []string{"text 4abc"}},
		{"5.4 fragments of a byte", textFrames(strings.Split("4abcdefghijklmnopqrstuvwxyz", "")...), []string{"text 4abcdefghijklmnopqrstuvwxyz"}},
		{"5.4 binary in fragments", clientFrame(ws.OpBinary, false, "\x01") + last("\xff"), []string{"binary 01ff"}},
		{"5.4 first fragment is empty", textFrames("", "4a"), []string{"text 4a"}},
		{"5.4 last fragment is empty", textFrames("4a", ""), []string{"text 4a"}},
		{"5.4 one between is empty", textFrames("4a", "", "b"), []string{"text 4ab"}},
		{"5.4 binary of empty fragments", clientFrame(ws.OpBinary, false, "") + next("") + last(""), []string{"binary "}},
		{"5.4 text of empty fragments, which is no packet", textFrames("", "", ""), []string{"close 1005"}},
		{"5.4 ping between fragments", first("4a") + ping + last("b"), []string{"pong p", "text 4ab"}},
		{"5.4 pings between all fragments", first("4a") + ping + next("b") + ping + next("") + ping + last("c"), []string{"pong p", "pong p", "pong p", "text 4abc"}},
		{"5.4 pong between fragments", first("4a") + clientFrame(ws.OpPong, true, "p") + last("b"), []string{"text 4ab"}},
		{"5.4 close between fragments", first("4a") + clientFrame(ws.OpClose, true, "\x03\xe8") + last("b"), []string{"close 1000"}},
		{"5.4 two messages in fragments", textFrames("4a", "b") + textFrames("4c", "d"), []string{"text 4ab", "text 4cd"}},
		{"5.4 whole after fragments", textFrames("4a", "b") + clientFrame(ws.OpText, true, "4c"), []string{"text 4ab", "text 4c"}},
		{"5.4 continuation of nothing", last("x"), protocolError},
		{"5.4 continuation of nothing, with more to come", next("x"), protocolError},
		{"5.4 empty continuation of nothing", last(""), protocolError},
		{"5.4 continuation after a whole message", clientFrame(ws.OpText, true, "4a") + last("b"), []string{"text 4a", "close 1002"}},
		{"5.4 continuation after the last", textFrames("4a", "b") + last("c"), []string{"text 4ab", "close 1002"}},
		{"5.4 continuation after a ping", ping + last("c"), []string{"pong p", "close 1002"}},
		{"5.4 text within a message", first("4a") + clientFrame(ws.OpText, true, "4b"), protocolError},
		{"5.4 binary within a message", first("4a") + clientFrame(ws.OpBinary, true, "b"), protocolError},
		{"5.4 first fragment within a message", first("4a") + first("4b"), protocolError},
		{"5.4 text after an empty fragment", first("") + clientFrame(ws.OpText, true, "4b"), protocolError},
		{"5.4 text within a message, after a ping", first("4a") + ping + clientFrame(ws.OpText, true, "4b"), []string{"pong p", "close 1002"}},
		{"5.4 large fragments", textFrames("4"+letters(30_000), letters(30_000)), []string{"text 4" + letters(30_000) + letters(30_000)}},
		{"5.4 fragments of one byte and of many", textFrames("4", letters(60_000), "x"), []string{"text 4" + letters(60_000) + "x"}},
	}
}

// limitCases are of 7.4.1, 1009 and 1008: the limits that 10.4 asks for.
func limitCases() []frameCase {
	const key = "\x37\xfa\x21\x3d"
	empty := clientFrame(ws.OpContinuation, false, "")
	end := clientFrame(ws.OpContinuation, true, "")
	whole, half := letters(suiteLimit), letters(suiteLimit/2)
	return []frameCase{
		{"10.4 largest message", clientFrame(ws.OpText, true, whole), []string{"text " + whole}},
		{"10.4 one byte more, from the header alone", frameOf(0x81, "\xff\x00\x00\x00\x00\x00\x01\x11\x71", key, ""), tooBig},
		{"10.4 one byte more", clientFrame(ws.OpText, true, whole+"x"), tooBig},
		{"10.4 largest message in two fragments", textFrames(half, half), []string{"text " + half + half}},
		{"10.4 one byte more in two fragments", textFrames(half, half+"x"), tooBig},
		{"10.4 one byte more in a fragment of its own", textFrames(half, half, "x"), tooBig},
		{"10.4 largest message, and an empty fragment", textFrames(half, half, ""), []string{"text " + half + half}},
		{"10.4 a fragment too many, from the header alone", clientFrame(ws.OpText, false, half) + frameOf(0x80, "\xff\x00\x00\x00\x01\x00\x00\x00\x00", key, ""), tooBig},
		{"10.4 first of two fragments is too large", clientFrame(ws.OpText, false, whole+"x"), tooBig},
		{"10.4 largest message, a ping within", clientFrame(ws.OpText, false, half) + clientFrame(ws.OpPing, true, letters(125)) +
			clientFrame(ws.OpContinuation, true, half), []string{"pong " + letters(125), "text " + half + half}},
		{"10.4 two of the largest", strings.Repeat(clientFrame(ws.OpText, true, whole), 2), []string{"text " + whole, "text " + whole}},
		{"10.4 1024 fragments", clientFrame(ws.OpText, false, "4a") + strings.Repeat(empty, 1022) + end, []string{"text 4a"}},
		{"10.4 1025 fragments", clientFrame(ws.OpText, false, "4a") + strings.Repeat(empty, 1023) + end, []string{"close 1008"}},
		{"10.4 1024 fragments twice", strings.Repeat(clientFrame(ws.OpText, false, "4a")+strings.Repeat(empty, 1022)+end, 2), []string{"text 4a", "text 4a"}},
		{"10.4 1024 fragments, and 2000 pings within", clientFrame(ws.OpText, false, "4a") + strings.Repeat(empty+clientFrame(ws.OpPong, true, ""), 1022) + end, []string{"text 4a"}},
		{"10.4 fragments without an end", clientFrame(ws.OpText, false, "4") + strings.Repeat(empty, 10_000), []string{"close 1008"}},
	}
}

// letters is a packet of n bytes: a message of letters.
func letters(n int) string {
	return ("4" + strings.Repeat("abcdefghijklmnopqrstuvwxy", n/25+1))[:n]
}

func repeated(n int, s string) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = s
	}
	return list
}
