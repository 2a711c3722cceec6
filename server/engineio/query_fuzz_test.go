package engineio

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// ask is the answer to a request with any query, which comes at once.
func ask(s *Server, method, query string) *httptest.ResponseRecorder {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	r := httptest.NewRequest(method, "/", nil).WithContext(ctx)
	r.URL.RawQuery = query
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

// FuzzQuery: a query begins a session exactly if the answer names it; it gets
// the messages of a session exactly if it names that; and what is refused is
// told one of the codes of PROTOCOL.md 2.4.
func FuzzQuery(f *testing.F) {
	for _, query := range []string{
		"EIO=4&transport=polling", "EIO=3&transport=polling&t=Pxyz&b64=1", "EIO=4&transport=polling&j=0", "EIO=4&transport=websocket",
		"transport=polling", "EIO=5&transport=polling", "EIO=4&transport=flash", "EIO=4&transport=polling&sid=x",
		"EIO=4&transport=polling&sid=" + fuzzSID, "sid=" + fuzzSID + "&transport=polling&EIO=4&sid=x", "EIO=3&transport=polling&sid=" + fuzzSID,
		"EIO=4&EIO=3&transport=polling&transport=websocket", "%45IO=4&transport=p%6flling", "EIO=%zz&transport=polling", "EIO=4;transport=polling", "",
		"EIO=4&transport=polling&" + strings.Repeat("a&", 97), "EIO=4&transport=polling&" + strings.Repeat("a&", 99), strings.Repeat("&", 5000),
	} {
		f.Add(query, false)
		f.Add(query, true)
	}
	f.Fuzz(func(t *testing.T, query string, post bool) {
		method := map[bool]string{false: http.MethodGet, true: http.MethodPost}[post]
		var s *Server
		var w *httptest.ResponseRecorder
		used := least(3, 0, func() {
			one := NewServer(&Options{SessionIDGenerator: fixedID(fuzzSID)}, func(*Session) Receiver { return nobody{} })
			t.Cleanup(func() { _ = one.Close() })
			s = one
			w = ask(s, method, query)
		})
		if most := 10*len(query) + 64<<10; used > most {
			t.Errorf("%d bytes of query made %d bytes be allocated, want at most %d", len(query), used, most)
		}
		named := strings.Contains(w.Body.String(), fuzzSID)
		if begun := s.Len() == 1; begun != named || begun && w.Code != http.StatusOK {
			t.Errorf("%s ?%s = %d %q, and a session has begun: %v", method, query, w.Code, w.Body, begun)
		}
		if !named {
			checkRefusal(t, w)
		}

		if !named {
			ask(s, http.MethodGet, "EIO=4&transport=polling")
		}
		session := s.lookup(fuzzSID)
		session.Send(TextFrame(session.Version(), []byte("a secret")))
		w = ask(s, method, query)
		q, _ := url.ParseQuery(query) // what is malformed is left out
		if q.Get("sid") != fuzzSID && (strings.Contains(w.Body.String(), "secret") || s.lookup(fuzzSID) != session) {
			t.Errorf("%s ?%s, which names no session, = %d %q, and the session that there is lives: %v",
				method, query, w.Code, w.Body, s.lookup(fuzzSID) == session)
		}
		if q.Get("sid") == fuzzSID && w.Code == http.StatusOK && !post && !strings.Contains(w.Body.String(), "secret") {
			t.Errorf("a poll ?%s = %q, want the message", query, w.Body)
		}
	})
}

// fuzzSID is the id of every session of FuzzQuery.
const fuzzSID = "the-only-session"

// checkRefusal holds the answer against PROTOCOL.md 2.4.
func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	var e struct {
		Code    *int
		Message string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || e.Code == nil || w.Code != http.StatusBadRequest {
		t.Errorf("refused with %d %q, want 400 and a code", w.Code, w.Body)
		return
	}
	for _, known := range []refusal{errTransport, errSession, errMethod, errBadRequest, errVersion} {
		if *e.Code == known.code && e.Message == known.message {
			return
		}
	}
	t.Errorf("refused with %q, which is none of the codes", w.Body)
}

// TestParameters: a query may have so many, and no more.
func TestParameters(t *testing.T) {
	s := NewServer(nil, func(*Session) Receiver { return nobody{} })
	defer s.Close()
	for _, tt := range []struct{ n, want int }{{maxParameters, 200}, {maxParameters + 1, 400}} {
		query := "EIO=4&transport=polling" + strings.Repeat("&x", tt.n-2)
		if w := ask(s, http.MethodGet, query); w.Code != tt.want {
			t.Errorf("a query of %d parameters = %d %q, want %d", tt.n, w.Code, w.Body, tt.want)
		}
	}
	if got := s.Len(); got != 1 {
		t.Errorf("there are %d sessions, want 1", got)
	}
}
