package resp

import (
	"strconv"
	"strings"
)

// AppendCommand adds a command as clients send it.
func AppendCommand(dst []byte, args ...[]byte) []byte {
	dst = AppendArray(dst, len(args))
	for _, arg := range args {
		dst = AppendBulk(dst, string(arg))
	}
	return dst
}

// AppendSimple adds a status such as OK, of one line.
func AppendSimple(dst []byte, s string) []byte { return appendLine(dst, '+', s) }

// AppendError adds an error: a word in capitals, and what is wrong.
func AppendError(dst []byte, s string) []byte {
	return appendLine(dst, '-', strings.NewReplacer("\r", " ", "\n", " ").Replace(s))
}

// AppendInt adds an integer.
func AppendInt(dst []byte, n int) []byte { return appendLine(dst, ':', strconv.Itoa(n)) }

// AppendBulk adds a string of any bytes.
func AppendBulk(dst []byte, s string) []byte {
	dst = appendLine(dst, '$', strconv.Itoa(len(s)))
	dst = append(dst, s...)
	return append(dst, "\r\n"...)
}

// AppendNull adds what stands for nothing.
func AppendNull(dst []byte, version int) []byte {
	if version == 3 {
		return appendLine(dst, '_', "")
	}
	return appendLine(dst, '$', "-1")
}

// AppendArray begins an array of n values, which the caller adds.
func AppendArray(dst []byte, n int) []byte { return appendLine(dst, '*', strconv.Itoa(n)) }

// AppendMap begins a map of n keys and values, which the caller adds. Version
// 2 has none: it is an array there.
func AppendMap(dst []byte, version, n int) []byte {
	if version == 3 {
		return appendLine(dst, '%', strconv.Itoa(n))
	}
	return AppendArray(dst, 2*n)
}

func appendLine(dst []byte, kind byte, s string) []byte {
	dst = append(dst, kind)
	dst = append(dst, s...)
	return append(dst, "\r\n"...)
}
