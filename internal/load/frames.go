package load

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gobwas/ws"
)

// maxFrame is the longest frame that a server may send here.
const maxFrame = 16 << 20

var errFrame = errors.New("load: a frame that no server may send")

// nextFrame splits the first WebSocket frame from b; size is 0 if b does not
// hold all of it. It reads bytes in place, where [ws.ReadHeader] would allocate
// for each message of each client.
func nextFrame(b []byte) (op ws.OpCode, payload []byte, size int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	header, length := 2, uint64(b[1])
	switch {
	case b[0]&0x80 == 0 || b[0]&0x70 != 0 || b[1]&0x80 != 0:
		return 0, nil, 0, fmt.Errorf("%w: in parts, compressed or masked: % x", errFrame, b[:2])
	case length == 126:
		header = 4
		if len(b) < header {
			return 0, nil, 0, nil
		}
		length = uint64(binary.BigEndian.Uint16(b[2:]))
	case length == 127:
		header = 10
		if len(b) < header {
			return 0, nil, 0, nil
		}
		length = binary.BigEndian.Uint64(b[2:])
	}
	if length > maxFrame {
		return 0, nil, 0, fmt.Errorf("%w: of %d bytes", errFrame, length)
	}
	size = header + int(length)
	if len(b) < size {
		return 0, nil, 0, nil
	}
	return ws.OpCode(b[0] & 0x0f), b[header:size], size, nil
}

// clientFrame is a frame as clients send it.
func clientFrame(op ws.OpCode, text []byte) []byte {
	return ws.MustCompileFrame(ws.MaskFrameInPlace(ws.NewFrame(op, true, append([]byte(nil), text...))))
}
