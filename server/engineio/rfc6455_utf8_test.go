package engineio

import (
	"fmt"
	"strings"

	"github.com/gobwas/ws"
)

// utf8Cases are of 8.1: the sequences that the stress test of Markus Kuhn has,
// by its sections. Each is sent in one frame, and in fragments of one byte.
func utf8Cases() []frameCase {
	var cases []frameCase
	add := func(ok bool, name, data string) {
		want := badText
		if ok {
			want = []string{"text 4" + data}
		}
		cases = append(cases,
			frameCase{fmt.Sprintf("8.1 %s %.12x", name, data), clientFrame(ws.OpText, true, "4"+data), want},
			frameCase{fmt.Sprintf("8.1 %s %.12x, byte by byte", name, data), textFrames(bytewise("4" + data)...), want})
	}
	for _, data := range []string{
		"κόσμε", "Füße", "日本語", "😀😀", "a\u0300", "\ufeffx", "\u200b",
		"\x00", "\u0080", "\u0800", "\U00010000", // 2.1 first of its length
		"\x7f", "\u07ff", "\uffff", // 2.2 last of its length
		"\ud7ff", "\ue000", "\ufffd", "\U0010ffff", // 2.3 other boundaries
		"\u00bf", "\u07bf", "\u0fff", "\u1000", "\U0003ffff", "\U00040000", "\U000fffff", "\U00100000",
		"\ufffe", "\ufdd0", "\ufdef", "\U0001fffe", "\U0001ffff", "\U0002fffe", "\U0008ffff", "\U000ffffe", "\U0010fffe", // 5.3 no characters, but valid
	} {
		add(true, "valid", data)
	}
	for _, group := range []struct {
		name string
		list []string
	}{
		{"2.1 five or six bytes", []string{"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80"}},
		{"2.2 above U+10FFFF", []string{"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80"}},
		{"3.1 continuation alone", []string{"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf", "a\x80b", span(0x80, 0xbf, "")}},
		{"3.2 start alone", []string{span(0xc0, 0xdf, " "), span(0xe0, 0xef, " "), span(0xf0, 0xf7, " "), span(0xf8, 0xfb, " "), "\xfc \xfd ", "\xc2 ", "\xe1 ", "\xf1 "}},
		{"3.3 last byte missing", []string{"\xc3", "\xe1\x80", "\xf1\x80\x80", "\xdf", "\xef\xbf", "\xf4\x8f\xbf", "\xf8\x80\x80\x80", "\xfc\x80\x80\x80\x80"}},
		{"3.3 last byte missing, then text", []string{"\xc3x", "\xe1\x80x", "\xf1\x80\x80x", "\xe2\x82\xc2\xa2"}},
		{"3.4 several that are cut", []string{"\xc3\xe1\x80\xf1\x80\x80", "\xdf\xef\xbf\xf4\x8f\xbf"}},
		{"3.5 impossible", []string{"\xfe", "\xff", "\xfe\xfe\xff\xff", "\xff\xfex", "κόσμε\xff"}},
		{"4.1 overlong slash", []string{"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", "\xfc\x80\x80\x80\x80\xaf"}},
		{"4.2 longest overlong", []string{"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf8\x87\xbf\xbf\xbf", "\xfc\x83\xbf\xbf\xbf\xbf"}},
		{"4.3 overlong NUL", []string{"\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xf8\x80\x80\x80\x80", "\xfc\x80\x80\x80\x80\x80"}},
		{"5.1 surrogate", []string{"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf"}},
		{"5.2 pair of surrogates", []string{
			"\xed\xa0\x80\xed\xb0\x80", "\xed\xa0\x80\xed\xbf\xbf", "\xed\xad\xbf\xed\xb0\x80", "\xed\xad\xbf\xed\xbf\xbf",
			"\xed\xae\x80\xed\xb0\x80", "\xed\xae\x80\xed\xbf\xbf", "\xed\xaf\xbf\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
		}},
	} {
		for _, data := range group.list {
			add(false, group.name, data)
		}
	}
	// A character over two fragments, cut at each byte; and with a ping there.
	for _, c := range []string{"é", "日", "😀"} {
		for i := range len(c) + 1 {
			cases = append(cases,
				frameCase{
					fmt.Sprintf("8.1 %x cut after %d bytes", c, i),
					textFrames("4"+c[:i], c[i:]),
					[]string{"text 4" + c},
				},
				frameCase{
					fmt.Sprintf("8.1 %x cut after %d bytes, a ping between", c, i),
					clientFrame(ws.OpText, false, "4"+c[:i]) + clientFrame(ws.OpPing, true, c[i:]) + clientFrame(ws.OpContinuation, true, c[i:]),
					[]string{"pong " + c[i:], "text 4" + c},
				})
		}
		for i := 1; i < len(c); i++ {
			cases = append(cases,
				frameCase{fmt.Sprintf("8.1 %x ends after %d bytes", c, i), clientFrame(ws.OpText, true, "4"+c[:i]), badText},
				frameCase{
					fmt.Sprintf("8.1 %x begins in one message and ends in the next", c[:i]+"|"+c[i:]),
					clientFrame(ws.OpText, true, "4"+c[:i]) + clientFrame(ws.OpText, true, c[i:]), badText,
				})
		}
	}
	return cases
}

// bytewise is s in strings of one byte.
func bytewise(s string) []string {
	list := make([]string, len(s))
	for i := range list {
		list[i] = s[i : i+1]
	}
	return list
}

// span is all bytes from one to another, each with what follows it.
func span(from, to byte, after string) string {
	var b strings.Builder
	for c := int(from); c <= int(to); c++ {
		b.WriteByte(byte(c))
		b.WriteString(after)
	}
	return b.String()
}
