package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// F7: both nodes are replaced, one after the other.
func TestF7RollingDeploy(t *testing.T) {
	beside(t)
	clients, drain := size(50, 500), time.Duration(size(2, 10))*time.Second
	r := report(t, row{
		id: "F7", what: fmt.Sprintf("rolling deploy of two nodes, %d clients at 10 msg/s, half of it on channels of one listener", clients),
		goal: "0 lost; reconnects at most twice the even rate; drain 10 s, exit within 15 s; /readyz 503 first",
		peer: "26 to 44 of 82 lost per client",
	})
	s := setScene(t, cast{nodes: 2, clients: clients, polling: clients / 10, shims: 6, drain: drain})
	s.publish(perChannel())
	<-time.After(warmUp())
	var exits, before time.Duration // before: the longest that a client went before /readyz was seen to be 503
	crowd := 0.0                    // the most reconnects in a second, of those of an even rate
	for _, old := range slices.Clone(s.nodes) {
		s.balancer.add(s.startNode())
		told := time.Now()
		notReady := s.notReady(old)
		exits = max(exits, old.stop())
		s.balancer.remove(old)
		<-time.After(time.Second) // for the last of its clients to come back
		drops := s.drops(told)
		if len(drops) == 0 {
			t.Fatal("nobody was let go")
		}
		before = max(before, notReady().Sub(drops[0]))
		crowd = max(crowd, float64(s.busiest(told))/(float64(len(drops))/drain.Seconds()))
	}
	<-time.After(2 * time.Second)
	by := s.settle()
	r.judge(t, by, plainShared, plainSingle, durableShared, durableSingle)
	r.atMost(t, "exit after", exits, drain+5*time.Second)
	if *long { // few clients are never even
		r.expect(t, crowd <= 2, "at most %.1f times as many reconnects in a second as evenly", crowd)
	}
	r.expect(t, before < seen, "/readyz is 503 before the first client goes, or seen to be %s later", short(before))
}

// seen is how long it takes to see what /readyz says.
const seen = 50 * time.Millisecond

// notReady watches until a node is not ready, and returns when that was, or
// the time of its end if it never was.
func (s *scene) notReady(n *node) (at func() time.Time) {
	var when time.Time
	var done sync.WaitGroup
	done.Go(func() { // ends with the node
		web := &http.Client{Transport: &http.Transport{}, Timeout: time.Second}
		defer web.CloseIdleConnections()
		for {
			if status(context.Background(), web, n.url+"/readyz") == http.StatusServiceUnavailable {
				when = time.Now()
				return
			}
			select {
			case <-n.ended:
				when = time.Now()
				return
			case <-time.After(time.Millisecond):
			}
		}
	})
	return func() time.Time {
		done.Wait()
		return when
	}
}

// drops is when connections ended after a time, in order.
func (s *scene) drops(after time.Time) (all []time.Time) {
	for _, l := range s.listeners {
		_, dropped := l.times()
		for _, at := range dropped {
			if at.After(after) {
				all = append(all, at)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// busiest is the most reconnects within any second after a time.
func (s *scene) busiest(from time.Time) (most int) {
	var all []time.Time
	for _, l := range s.listeners {
		answered, _ := l.times()
		for _, at := range answered {
			if at.After(from) {
				all = append(all, at)
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	for i, j := 0, 0; j < len(all); j++ {
		for all[j].Sub(all[i]) > time.Second {
			i++
		}
		most = max(most, j-i+1)
	}
	return most
}
