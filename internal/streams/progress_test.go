package streams

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Progress
		if err := p.Wait(t.Context(), ID{}); err != nil {
			t.Errorf("Wait for nothing = %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(map[ID]error)
		for _, id := range []ID{{1, 0}, {2, 0}, {3, 0}} {
			go func() { ended[id] = p.Wait(ctx, id) }() // ends with ctx
		}
		for _, step := range []struct {
			reach ID
			want  int // that have ended
		}{{ID{0, 1}, 0}, {ID{1, 5}, 1}, {ID{1, 5}, 1}, {ID{0, 5}, 1}, {ID{2, 0}, 2}} {
			p.Reach(step.reach)
			synctest.Wait()
			if len(ended) != step.want {
				t.Errorf("at %v %d of three have ended, want %d", step.reach, len(ended), step.want)
			}
		}
		cancel()
		synctest.Wait()
		if ended[ID{1, 0}] != nil || ended[ID{2, 0}] != nil || !errors.Is(ended[ID{3, 0}], context.Canceled) {
			t.Errorf("they ended with %v", ended)
		}
	})
}
