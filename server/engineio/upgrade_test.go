package engineio

import (
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// TestUpgrade replays the exchanges of PROTOCOL.md 2.8.
func TestUpgrade(t *testing.T) {
	for _, tt := range []struct {
		name    string
		version packet.Version
		script  string
	}{
		{"whole", packet.V4, `
			park
			ws
			ws> 2probe
			ws< text 3probe
			parked 6
			ws> 5
			ws> 4after
			ws< text 4after
			poll! 400 {"code":3,"message":"Bad request"}
			late 4late
			ws> 4still
			ws< text 4still
			alive`},
		{"whole, version 3", packet.V3, `
			park
			ws
			ws> 2probe
			ws< text 3probe
			parked 1:6
			ws> 5
			ws> 42["a"]
			ws< text 42["a"]
			ws> 2
			ws< text 3
			wsb> 0401
			ws< binary 0401`},
		{"a poll in the window is answered at once", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			poll 6
			poll 6
			ws> 5
			ws> 4a
			ws< text 4a`},
		{"what is sent goes by polling until the end of it", packet.V4, `
			ws
			send 1
			ws> 2probe
			ws< text 3probe
			send 2
			poll 41\x1e42
			send 3
			post 44
			ws> 5
			ws< text 43
			ws< text 44
			send 5
			ws< text 45`},
		{"without waiting for the answer", packet.V4, `
			park
			ws
			ws> 2probe
			ws> 5
			ws> 4a
			ws< text 3probe
			ws< text 4a
			parked 6`},
		{"first frame is not a probe", packet.V4, `
			ws
			ws> 4a
			ws< close 1005
			ws< end
			post 4b
			poll 4b`},
		{"first frame is the end of it", packet.V4, `
			ws
			ws> 5
			ws< close 1005
			post 4b
			poll 4b`},
		{"first frame is binary", packet.V4, `
			ws
			wsb> 32
			ws< close 1005
			alive`},
		{"second probe", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			ws> 2probe
			ws< close 1005
			post 4b
			poll 4b`},
		{"websocket goes during the probe, and another comes", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			ws-cut
			upgrading false
			post 4b
			poll 4b
			ws
			ws> 2probe
			ws< text 3probe
			ws> 5
			ws> 4a
			ws< text 4a`},
		{"another while upgrading", packet.V4, `
			ws
			upgrading true
			ws2
			ws2< close 1005
			ws2< end
			ws> 2probe
			ws< text 3probe
			ws> 5
			ws> 4a
			ws< text 4a`},
		{"another after it", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			ws> 5
			ws> 4a
			ws< text 4a
			ws2
			ws2< close 1005
			ws> 4b
			ws< text 4b`},
		{"session closed during the probe", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			post 1
			ws< close 1005
			ws< end
			gone transport close`},
		{"session closed by the server during the probe", packet.V4, `
			park
			ws
			upgrading true
			shut bye
			parked 1
			ws< close 1005
			gone bye`},
		{"kicked during the probe", packet.V4, `
			park
			ws
			ws> 2probe
			ws< text 3probe
			parked 6
			post 4kick
			ws> 5
			ws< text 41
			ws< close 1005
			ws< end
			gone kicked`},
		{"kicked during the probe, and polls again", packet.V4, `
			park
			ws
			ws> 2probe
			ws< text 3probe
			parked 6
			post 4kick
			poll 41
			poll 6\x1e1
			ws< close 1005
			gone kicked`},
		{"session ends after it", packet.V4, `
			ws
			ws> 2probe
			ws< text 3probe
			ws> 5
			ws> 4kick
			ws< text 41
			ws< close 1005
			ws< end
			gone kicked`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			runScript(t, tt.version, polling, tt.script)
		})
	}
}
