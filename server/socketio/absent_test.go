package socketio

import (
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"
)

// away makes a client that is away.
func (a *absent) awayWith(id string, size int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.away[id] = a.order.PushBack(&awayClient{Former{id: id}, size, time.Now().Add(a.Window)})
	a.bytes += size
	if a.timer == nil {
		a.timer = time.AfterFunc(a.Window, a.sweep)
	}
}

func (a *absent) size() (clients, bytes int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.away) != a.order.Len() {
		panic("the map and the list differ")
	}
	return len(a.away), a.bytes
}

func TestWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := NewServer(nil)
		defer s.Close()
		s.Recover("/", Recovery{})
		n := s.namespace("/")
		a := n.handlers().absent
		id := func(c byte) string { return string(append([]byte("AAAAAAAAAAAAAAAAAAAAAAAAA"), c)) }
		back := func(id string) bool {
			return a.former(n, []byte(`{"pid":"`+a.pid(id)+`"}`)) != nil
		}
		a.awayWith(id('1'), 10)
		a.awayWith(id('2'), 10)
		time.Sleep(time.Second)
		a.awayWith(id('3'), 10)
		a.awayWith(id('4'), 10)
		time.Sleep(DefaultRecoveryWindow - time.Second - time.Nanosecond)
		if !back(id('1')) {
			t.Error("the first is not back in time")
		}
		time.Sleep(time.Nanosecond)
		if back(id('2')) {
			t.Error("the second is back too late")
		}
		synctest.Wait()
		if n, bytes := a.size(); n != 2 || bytes != 20 {
			t.Errorf("%d are away with %d bytes, want 2 with 20", n, bytes)
		}
		time.Sleep(time.Second - time.Nanosecond)
		if !back(id('3')) {
			t.Error("the third is not back in time")
		}
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		if n, bytes := a.size(); n != 0 || bytes != 0 {
			t.Errorf("%d are away with %d bytes, want none", n, bytes)
		}
	})
}

// Nothing that a client shows is another's secret, or breaks anything.
func FuzzFormer(f *testing.F) {
	s := NewServer(nil)
	defer s.Close()
	s.Recover("/", Recovery{})
	n := s.namespace("/")
	a := n.handlers().absent
	const id = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	f.Add([]byte(`{"pid":"` + a.pid(id) + `","offset":"x"}`))
	f.Add([]byte(`{"pid":"` + id + `","offset":"x"}`))
	f.Add([]byte(`{"pid":"` + id + `AAAAAAAAAAAAAAAAAAAAAA","offset":7}`))
	f.Add([]byte(`{"pid":null,"offset":"\u0000"}`))
	f.Add([]byte(`"pid"`))
	f.Fuzz(func(t *testing.T, auth []byte) {
		if !json.Valid(auth) {
			return // is refused before
		}
		a.awayWith(id, 1)
		got := a.former(n, auth)
		var shown struct {
			PID string `json:"pid"`
		}
		_ = json.Unmarshal(auth, &shown)
		if got != nil && shown.PID != a.pid(id) {
			t.Errorf("%q is taken for the secret of %s", shown.PID, id)
		}
		if left, _ := a.size(); got == nil && left != 1 {
			t.Errorf("%d are away, want 1", left)
		}
		a.close()
	})
}
