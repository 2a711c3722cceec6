package engineio

import (
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// TestExchanges replays the exchanges of PROTOCOL.md 2.5 to 4. The words are
// explained at script.
func TestExchanges(t *testing.T) {
	for _, tt := range []struct {
		name      string
		version   packet.Version
		transport string
		script    string
	}{
		{"polling in order", packet.V4, polling, `
			post 4test1\x1e4test2\x1e4test3
			poll 4test1\x1e4test2\x1e4test3
			park
			post 4hello\x1ebAQIDBA==
			parked 4hello\x1ebAQIDBA==
			park
			post 42["a","h\xc3\xa9 \xf0\x9f\x98\x80"]
			parked 42["a","h\xc3\xa9 \xf0\x9f\x98\x80"]`},
		{"a unit", packet.V4, polling, `
			post 4a\x1e4unit\x1e4b
			poll 4a\x1e451-[]\x1ebAQIDBA==\x1e4b`},
		{"empty messages", packet.V4, polling, `
			post 4\x1eb
			poll 4\x1eb`},
		{"what is sent while no poll waits", packet.V4, polling, `
			send a
			send b
			poll 4a\x1e4b
			park
			send c
			parked 4c`},
		{"second poll", packet.V4, polling, `
			park
			poll! 400
			parked 1
			gone transport error`},
		{"client closes", packet.V4, polling, `
			park
			post 1
			parked 6
			gone transport close`},
		{"client closes without a poll", packet.V4, polling, `
			post 1
			gone transport close`},
		{"garbage", packet.V4, polling, `
			park
			post! 400 abc
			parked 1
			gone parse error`},
		{"empty body", packet.V4, polling, `
			park
			post! 400
			parked 1
			gone parse error`},
		{"ping from the client", packet.V4, polling, `
			park
			post! 400 2
			parked 1
			gone transport error`},
		{"octet-stream", packet.V4, polling, `
			park
			bytes! 400 04010203
			parked 1
			gone transport error`},
		{"packets that mean nothing", packet.V4, polling, `
			post 0\x1e5\x1e6\x1e4a
			poll 4a`},
		{"server closes", packet.V4, polling, `
			park
			shut bye
			parked 1
			gone bye`},
		{"server closes while no poll waits", packet.V4, polling, `
			shut bye
			alive
			poll 6\x1e1
			gone bye`},
		{"server closes with something queued", packet.V4, polling, `
			send a
			shut bye
			send no more
			poll 4a
			alive
			poll 6\x1e1
			gone bye`},
		{"disconnect, then close", packet.V4, polling, `
			park
			post 4kick
			parked 41
			alive
			poll 6\x1e1
			gone kicked`},
		{"disconnect, then close, then the client closes", packet.V4, polling, `
			post 4kick
			poll 41
			post 1
			gone kicked`},
		{"close inside a message", packet.V4, polling, `
			park
			post 4a\x1e4close\x1e4b
			parked 4a
			poll 6\x1e1
			gone closed`},
		{"close inside the only message", packet.V4, polling, `
			park
			post 4close
			parked 1
			gone closed`},
		{"too many packets", packet.V4, polling, `
			post! 400 ` + tooManyPackets + `
			gone parse error`},

		{"wrong length of version 3", packet.V3, polling, `
			park
			post! 400 4:4ab
			parked 1:1
			gone parse error`},
		{"polling of version 3, in UTF-16 units", packet.V3, polling, `
			post 18:42["echo","h\xc3\xa9 \xf0\x9f\x98\x80"]
			poll 18:42["echo","h\xc3\xa9 \xf0\x9f\x98\x80"]
			post 15:420["echo","x"]1:2
			poll 1:315:420["echo","x"]
			post 0:
			post 2:4a2:4b
			poll 2:4a2:4b`},
		{"binary of version 3", packet.V3, polling, `
			post 10:b4AQIDBA==
			poll-bytes 01 05 ff 04 01 02 03 04
			bytes 00 01 08 ff 34325b2261222c2268c3a920f09f9880225d 01 05 ff 04 01 02 03 04
			poll-bytes 00 01 08 ff 34325b2261222c2268c3a920f09f9880225d 01 05 ff 04 01 02 03 04
			bytes 00 02 ff 3461
			poll 2:4a`},
		{"second poll of version 3", packet.V3, polling, `
			park
			poll! 400
			parked 1:1
			gone transport error`},
		{"client of version 3 closes", packet.V3, polling, `
			park
			post 1:1
			parked 1:6
			gone transport close`},
		{"pong from a client of version 3", packet.V3, polling, `
			park
			post! 400 1:3
			parked 1:1
			gone transport error`},
		{"probe outside an upgrade in version 3", packet.V3, polling, `
			park
			post 6:2probe
			parked 1:3`},
		{"server closes version 3", packet.V3, polling, `
			park
			post 5:4kick
			parked 2:41
			poll 1:61:1
			gone kicked`},

		{"websocket", packet.V4, webSocket, `
			ws> 4hello
			ws< text 4hello
			wsb> 01020304
			ws< binary 01020304
			wsb>
			ws< binary 
			ws> bAQIDBA==
			ws< binary 01020304
			ws> 0
			ws> 5
			ws> 6
			ws> 4h\xc3\xa9 \xf0\x9f\x98\x80
			ws< text 4h\xc3\xa9 \xf0\x9f\x98\x80
			ws> 4unit
			ws< text 451-[]
			ws< binary 01020304
			poll! 400 {"code":3,"message":"Bad request"}
			alive`},
		{"websocket closes at packet 1", packet.V4, webSocket, `
			ws> 1
			ws< close 1005
			ws< end
			gone transport close`},
		{"websocket, garbage", packet.V4, webSocket, `
			ws> abc
			ws< close 1005
			ws< end
			gone parse error`},
		{"websocket, empty frame", packet.V4, webSocket, `
			ws>
			ws< close 1005
			gone parse error`},
		{"websocket, ping from the client", packet.V4, webSocket, `
			ws> 2
			ws< close 1005
			gone transport error`},
		{"websocket, kicked", packet.V4, webSocket, `
			ws> 4kick
			ws< text 41
			ws< close 1005
			ws< end
			gone kicked`},
		{"websocket, closed by the server", packet.V4, webSocket, `
			send a
			shut bye
			send no more
			ws< text 4a
			ws< close 1005
			ws< end
			gone bye`},
		{"websocket goes", packet.V4, webSocket, `
			ws-cut
			gone transport close`},
		{"websocket of version 3", packet.V3, webSocket, `
			ws> 4hello
			ws< text 4hello
			ws> 2
			ws< text 3
			ws> 2probe
			ws< text 3
			wsb> 0401020304
			ws< binary 0401020304
			ws> b4AQIDBA==
			ws< binary 0401020304
			ws> 4unit
			ws< text 451-[]
			ws< binary 0401020304
			wsb> 01020304
			ws< close 1005
			gone parse error`},
		{"pong from a websocket of version 3", packet.V3, webSocket, `
			ws> 3
			ws< close 1005
			gone transport error`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			runScript(t, tt.version, tt.transport, tt.script)
		})
	}
}
