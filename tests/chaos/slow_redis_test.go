package chaos

import (
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"
)

// F3: Redis is slow, or pauses. Nobody leaves, and nothing is lost.
func TestF3RedisSlow(t *testing.T) {
	longOnly(t)
	const key = "the key of those who publish by HTTP"
	for _, tt := range []struct {
		name   string
		begin  func(s *scene)
		end    func(s *scene)
		status int // of /api/publish meanwhile
		within time.Duration
	}{
		{"500ms", func(s *scene) { s.links[0].slow(500) }, func(s *scene) { s.links[0].mend() }, http.StatusOK, 2 * time.Second},
		{"2s", func(s *scene) { s.links[0].slow(2100) }, func(s *scene) { s.links[0].mend() }, http.StatusServiceUnavailable, 2500 * time.Millisecond},
		{"CLIENT PAUSE 4s", func(s *scene) { s.do("CLIENT", "PAUSE", 4000, "ALL") }, func(*scene) {}, http.StatusServiceUnavailable, 2500 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := report(t, row{
				id: "F3", what: "Redis slow: " + tt.name,
				goal: "/api/publish answers 503 at 2 s; clients stay; 0 lost", peer: "–",
			})
			s := setScene(t, cast{nodes: 1, clients: 20, flags: []string{"--publish-key=" + key}})
			s.publish(2.5)
			<-time.After(time.Second)
			tt.begin(s)
			<-time.After(500 * time.Millisecond)
			code, took := s.post(key)
			<-time.After(4 * time.Second)
			tt.end(s)
			<-time.After(2 * time.Second)
			by := s.settle()
			r.expect(t, code == tt.status, "/api/publish answered %d, want %d", code, tt.status)
			r.atMost(t, "in", took, tt.within)
			r.expect(t, s.disconnects() == 0, "%d clients disconnected", s.disconnects())
			r.judge(t, by, plainShared, plainSingle, durableShared, durableSingle)
		})
	}
}

// do sends a command to Redis.
func (s *scene) do(command string, args ...any) {
	s.t.Helper()
	conn, err := dialRedis(s.redis.Addr())()
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Do(command, args...); err != nil {
		s.t.Fatal(err)
	}
}

// post publishes by HTTP on a channel that nobody checks, and returns the
// status and how long it took.
func (s *scene) post(key string) (int, time.Duration) {
	s.t.Helper()
	began := time.Now()
	req, err := http.NewRequest(http.MethodPost, s.nodes[0].url+"/api/publish", bytes.NewReader([]byte(`{"channel":"other","data":1}`)))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	web := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer web.CloseIdleConnections()
	resp, err := web.Do(req)
	if err != nil {
		s.t.Error(err)
		return 0, time.Since(began)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, time.Since(began)
}
