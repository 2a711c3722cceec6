package identity

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/sb-stream/stream-server/internal/tags"
)

// TestLaravel: each channel is granted by the answer to its own question, and by
// nothing else.
func TestLaravel(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.Header.Get("Cookie") != "s=1" || r.Header.Get("X-CSRF-TOKEN") != "abc" ||
			r.Header.Get("Authorization") != "" || r.Header.Get("X-Requested-With") != "XMLHttpRequest" || r.Header.Get("Other") != "" {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		status, _ := strconv.Atoi(strings.TrimPrefix(r.FormValue("channel_name"), "private-"))
		if status/100 == 3 {
			w.Header().Set("Location", "/login")
		}
		w.WriteHeader(status)
	}))
	defer server.Close()
	for _, tt := range []struct {
		asked, granted string
		err            error
	}{
		{"private-200", "private-200", nil},
		{"private-200 private-403", "private-200", nil},
		{"private-401", "", nil},
		{"private-302", "", nil},
		{"private-404", "", nil},
		{"private-419", "", nil},
		{"private-200*", "", nil},
		{"private-500", "", ErrUnavailable},
		{"private-200 private-500", "", ErrUnavailable},
		{"", "", nil},
	} {
		f := finder(t, Config{Laravel: server.URL})
		header := http.Header{"X-Csrf-Token": {"abc"}, "Other": {"x"}}
		who, err := f.Find(t.Context(), Credentials{Cookie: "s=1", Header: header, Channels: strings.Fields(tt.asked)})
		var granted tags.Patterns
		if who.Grant != nil {
			granted = who.Grant.Channels
		}
		if !errors.Is(err, tt.err) || strings.Join(granted, " ") != tt.granted || err == nil && !who.Guest() {
			t.Errorf("asked for %q, granted %q, %v, want %q, %v", tt.asked, granted, err, tt.granted, tt.err)
		}
	}
}
