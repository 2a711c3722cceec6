// Command web is a web server in Go: its page shows what it publishes. The
// servers beside it are the same in other languages.
package main

import (
	"cmp"
	_ "embed"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/examples/style"
	"github.com/sb-stream/stream-server/web"
)

//go:embed index.html
var index string

func main() {
	stream := cmp.Or(os.Getenv("STREAM"), "http://localhost:8080")
	page := strings.NewReplacer("{server}", "Go", "{stream}", stream).Replace(index)
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page)) // a browser that has gone needs none
	})
	http.HandleFunc("GET /page.css", style.Serve)
	http.HandleFunc("POST /publish", publish)
	server := &http.Server{Addr: "localhost:" + cmp.Or(os.Getenv("PORT"), "3000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// publish sends a text to everybody who has the page open.
func publish(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 10_000)
	text := r.FormValue("text")
	if text == "" || len(text) > 800 {
		http.Error(w, "a text of at most 200 characters", http.StatusBadRequest)
		return
	}
	if err := web.Stream(r.Context(), "feed:messages", map[string]string{"text": text, "by": "Go"}); err != nil {
		log.Print(err)
		http.Error(w, "the text has not been published", http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
