package server_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	redigo "github.com/gomodule/redigo/redis"

	client "github.com/sb-stream/stream-server/client-go"
	"github.com/sb-stream/stream-server/internal/redistest"
)

// What was taken away stays away: while messages flow and the client subscribes
// as fast as it can, nothing that was published after the answer arrives.
func TestRevokeUnderLoad(t *testing.T) {
	const rounds = 12
	r := redistest.Start(t)
	one, two := startNode(t, r, clusterKey), startNode(t, r, clusterKey)
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { // the web server; ends with the test
		defer close(done)
		ticker := time.NewTicker(200 * time.Microsecond)
		defer ticker.Stop()
		conn, err := redigo.Dial("tcp", r.Addr())
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		for {
			select {
			case <-t.Context().Done():
				return
			case <-ticker.C:
			}
			if _, err := conn.Do("PUBLISH", "sb:x", `"load"`); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	witness := two.open(t, client.Options{})
	witness.hear("end")
	for round := range rounds {
		late, end := strconv.Quote(fmt.Sprint("late ", round)), strconv.Quote(fmt.Sprint("end ", round))
		b := two.open(t, as(t, "m"))
		b.hear("x", "end")
		one.wantAnswer(t, "POST", "/api/unsubscribe", `{"member":"m","channel":"x"}`, 200, `{"sessions":1,`+both+`}`)
		redisPublish(t, r.Addr(), "sb:x", late)
		redisPublish(t, r.Addr(), "sb:end", end)
		for expired := false; ; {
			e := b.next()
			if e.Name == "end" {
				if !expired {
					t.Error("the client was not told by $expired")
				}
				break
			}
			if data := string(e.Args[0]); e.Name == "x" && (expired || data == late) {
				t.Fatalf("got %s on a channel that was taken away, $expired before: %v", data, expired)
			}
			expired = expired || e.Name == "$expired"
		}
		witness.want("end", end)

		// It subscribes to more and more while it is disconnected.
		for i := range 100 {
			if err := b.Emit("subscribe", []string{"x", fmt.Sprint("own:", i)}); err != nil {
				t.Fatal(err)
			}
		}
		one.wantAnswer(t, "POST", "/api/disconnect", fmt.Sprintf(`{"session":%q}`, b.session.ID), 200, `{"sessions":1,`+both+`}`)
		if heard, _ := two.Channels().Len(); heard != 1 || two.Channels().Clients("x") != 0 {
			t.Fatalf("%d channels are heard after the answer, want the witness' one", heard)
		}
		redisPublish(t, r.Addr(), "sb:x", late)
		for {
			e, err := b.Next(t.Context())
			if err != nil {
				break
			}
			if string(e.Args[0]) == late {
				t.Fatal("a session that was disconnected got a message")
			}
		}
	}
}
