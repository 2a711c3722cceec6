package engineio

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// controlCases are of 5.5: pings and pongs.
func controlCases() []frameCase {
	ping := func(data string) string { return clientFrame(ws.OpPing, true, data) }
	all := make([]byte, 125)
	for i := range all {
		all[i] = byte(i * 2)
	}
	cases := []frameCase{
		{"5.5 ping of 126 bytes", ping(letters(126)), protocolError},
		{"5.5 ping of 65536 bytes", ping(letters(65536)), protocolError},
		{"5.5 pong of 126 bytes", clientFrame(ws.OpPong, true, letters(126)), protocolError},
		{"5.5 close of 126 bytes", clientFrame(ws.OpClose, true, "\x03\xe8"+letters(124)), protocolError},
		{"5.5 ping of 126 bytes within a message", clientFrame(ws.OpText, false, "4") + ping(letters(126)), protocolError},
		{"5.5 ping whose length is longer than it may be", frameOf(0x89, "\xff\x7f\xff\xff\xff\xff\xff\xff\xff", "\x01\x02\x03\x04", ""), protocolError},
		{"5.5 ping that has more to come", clientFrame(ws.OpPing, false, "p"), protocolError},
		{"5.5 pong that has more to come", clientFrame(ws.OpPong, false, "p"), protocolError},
		{"5.5 close that has more to come", clientFrame(ws.OpClose, false, "\x03\xe8"), protocolError},
		{"5.5 ping that has more to come, within a message", clientFrame(ws.OpText, false, "4") + clientFrame(ws.OpPing, false, "p"), protocolError},

		{"5.5.2 ping of bytes that are no text", ping(string(all)), []string{"pong " + string(all)}},
		{"5.5.2 ping with a length of 16 bits", frameOf(0x89, "\xfe\x00\x01", "\x01\x02\x03\x04", "p"), []string{"pong p"}},
		{"5.5.2 two pings", ping("a") + ping("b"), []string{"pong a", "pong b"}},
		{"5.5.2 ten pings", strings.Repeat(ping("a"), 10), repeated(10, "pong a")},
		{"5.5.2 ping between messages", clientFrame(ws.OpText, true, "4a") + ping("p") + clientFrame(ws.OpText, true, "4b"), []string{"text 4a", "pong p", "text 4b"}},
		{"5.5.2 ping before a message that is wrong", ping("p") + "\x81\x00", []string{"pong p", "close 1002"}},
		{"5.5.3 pong that nobody asked for", clientFrame(ws.OpPong, true, ""), nil},
		{"5.5.3 pong with data that nobody asked for", clientFrame(ws.OpPong, true, letters(125)), nil},
		{"5.5.3 pong, ping, pong", clientFrame(ws.OpPong, true, "a") + ping("b") + clientFrame(ws.OpPong, true, "c"), []string{"pong b"}},
		{"5.5.3 a hundred pongs", strings.Repeat(clientFrame(ws.OpPong, true, "x"), 100), nil},
	}
	for n := range 126 {
		cases = append(cases, frameCase{fmt.Sprintf("5.5.2 ping of %d bytes", n), ping(letters(n)), []string{"pong " + letters(n)}})
	}
	return cases
}

// closeCases are of 5.5.1 and 7.4.
func closeCases() []frameCase {
	closing := func(data string) string { return clientFrame(ws.OpClose, true, data) }
	status := func(code int) string { return string(binary.BigEndian.AppendUint16(nil, uint16(code))) }
	normal := status(1000)
	cases := []frameCase{
		{"5.5.1 close without a status", closing(""), []string{"close 1005"}},
		{"5.5.1 close of one byte", closing("\x03"), protocolError},
		{"5.5.1 close with a reason", closing(normal + "bye"), []string{"close 1000"}},
		{"5.5.1 close with a reason of 123 bytes", closing(normal + letters(123)), []string{"close 1000"}},
		{"5.5.1 close with a reason of 124 bytes", closing(normal + letters(124)), protocolError},
		{"5.5.1 close with a reason in Greek", closing(normal + "κόσμε"), []string{"close 1000"}},
		{"5.5.1 message before a close", clientFrame(ws.OpText, true, "4a") + closing(normal), []string{"text 4a", "close 1000"}},
		{"5.5.1 ping after a close", closing(normal) + clientFrame(ws.OpPing, true, "p"), []string{"close 1000"}},
		{"5.5.1 close after a close", closing(normal) + closing(status(1001)), []string{"close 1000"}},
		{"5.5.1 frame that is wrong after a close", closing(normal) + "\xff\xff", []string{"close 1000"}},
		{"5.5.1 end of a message after a close", clientFrame(ws.OpText, false, "4a") + closing("") + clientFrame(ws.OpContinuation, true, "b"), []string{"close 1005"}},
		{"5.5.1 the server closes, then data", clientFrame(ws.OpText, true, "1") + clientFrame(ws.OpText, true, "4a"), []string{"close 1005"}},
		{"5.5.1 the server closes, then a close", clientFrame(ws.OpText, true, "1") + closing(normal), []string{"close 1005"}},
		{"8.1 reason that is no UTF-8", closing(normal + "\xff"), badText},
		{"8.1 reason that is cut", closing(normal + "\xce\xba\xe1\xbd"), badText},
		{"8.1 reason with a surrogate", closing(normal + "\xed\xa0\x80"), badText},
		{"8.1 bad status and bad reason", closing(status(1005) + "\xff"), protocolError},
	}
	for _, code := range []int{
		1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, // registered
		3000, 3001, 3999, 4000, 4001, 4999, // of libraries, and private
	} {
		cases = append(cases, frameCase{fmt.Sprintf("7.4 status %d", code), closing(status(code)), []string{fmt.Sprintf("close %d", code)}})
	}
	for _, code := range []int{
		0, 1, 125, 999, // 7.4.2: not used
		1004, 1005, 1006, 1015, // 7.4.1: not to be sent
		1016, 1100, 1999, 2000, 2999, // 7.4.2: not defined
		5000, 10_000, 32_767, 32_768, 65_535, // 7.4.2: none
	} {
		cases = append(cases,
			frameCase{fmt.Sprintf("7.4 status %d", code), closing(status(code)), protocolError},
			frameCase{fmt.Sprintf("7.4 status %d with a reason", code), closing(status(code) + "bye"), protocolError})
	}
	return cases
}
