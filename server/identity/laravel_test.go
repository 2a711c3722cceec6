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

// Who somebody is in a channel of presence is what the application says there.
func TestLaravelNames(t *testing.T) {
	long := strings.Repeat("x", maxInfo)
	for _, tt := range []struct{ tag, answer, id, said string }{
		{"presence-a", `{"channel_data":{"user_id":7,"user_info":{"name":"Ann <3"}}}`, "7", `{"user_id":7,"user_info":{"name":"Ann \u003c3"}}`},
		{"presence-a", `{"channel_data":"{\"user_id\":\"u7\", \"user_info\": [1]}"}`, "u7", `{"user_id":"u7","user_info":[1]}`},
		{"presence-a", `{"auth":"key","channel_data":{"user_id":7,"other":1}}`, "7", `{"user_id":7,"user_info":null}`},
		{"presence-a", `{"channel_data":{"user_id":7,"user_info":"` + long + `"}}`, "7", `{"user_id":7,"user_info":null}`},
		{"presence-a", `{"channel_data":{"user_id":"guest:x"}}`, "", ""},
		{"presence-a", `{"channel_data":{"user_id":1.5}}`, "", ""},
		{"presence-a", `{"channel_data":{"user_id":{}}}`, "", ""},
		{"presence-a", `{"channel_data":[]}`, "", ""},
		{"presence-a", `{"channel_data":"{"}`, "", ""},
		{"presence-a", `true`, "", ""},
		{"presence-a", ``, "", ""},
		{"private-a", `{"channel_data":{"user_id":7}}`, "", ""},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(tt.answer)) }))
		who, err := finder(t, Config{Laravel: server.URL}).Find(t.Context(), Credentials{Cookie: "s=1", Channels: []string{tt.tag}})
		server.Close()
		if err != nil || !who.May(tt.tag) {
			t.Errorf("%.80s: %v, %v, want the channel granted", tt.answer, who, err)
			continue
		}
		name, guest := who.In(tt.tag)
		if guest == (tt.id != "") || !guest && name.ID != tt.id || string(name.Said) != tt.said {
			t.Errorf("%.80s: %q, %v, saying %s, want %q, saying %s", tt.answer, name.ID, guest, name.Said, tt.id, tt.said)
		}
	}
}
