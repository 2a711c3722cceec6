// Command dashboard is a web server with a page of gauges: how it does itself,
// twenty times a second. The stream server has --latest 'gauge:*', so that a
// browser which is slow, or was away, gets the newest value of each gauge and
// none of those before it.
package main

import (
	"cmp"
	"context"
	"embed"
	"log"
	"net/http"
	"os"
	"runtime/metrics"
	"strings"
	"time"

	"github.com/sb-stream/stream-server/examples/style"
	"github.com/sb-stream/stream-server/web"
)

//go:embed index.html page.js
var files embed.FS

const pace = 50 * time.Millisecond

func main() {
	stream := cmp.Or(os.Getenv("STREAM"), "http://localhost:8080")
	page, err := files.ReadFile("index.html")
	if err != nil {
		log.Fatal(err)
	}
	html := strings.ReplaceAll(string(page), "{stream}", stream)
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(html)) // a browser that has gone needs none
	})
	http.HandleFunc("GET /page.css", style.Serve)
	http.Handle("GET /page.js", http.FileServerFS(files))
	go measure(context.Background()) // ends with the process
	server := &http.Server{Addr: "localhost:" + cmp.Or(os.Getenv("PORT"), "3000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(server.ListenAndServe())
}

// The gauges, and where the runtime has their values.
var gauges = map[string]string{
	"gauge:memory":     "/memory/classes/heap/objects:bytes",
	"gauge:goroutines": "/sched/goroutines:goroutines",
	"gauge:allocated":  "/gc/heap/allocs:bytes",
	"gauge:collected":  "/gc/cycles/total:gc-cycles",
}

// A reading is one value of a gauge.
type reading struct {
	Value  uint64 `json:"value"`
	Number int    `json:"number"` // of the reading: the page sees what did not come
}

// measure publishes each gauge at its pace, and how long that took.
func measure(ctx context.Context) {
	said := ""
	for number := range int(^uint(0) >> 1) {
		began := time.Now()
		trouble := ""
		publish := func(channel string, value uint64) {
			if err := web.Stream(ctx, channel, reading{value, number}); err != nil {
				trouble = err.Error()
			}
		}
		for channel, name := range gauges {
			sample := []metrics.Sample{{Name: name}}
			metrics.Read(sample)
			publish(channel, sample[0].Value.Uint64())
		}
		publish("gauge:publish", uint64(time.Since(began).Microseconds())/uint64(len(gauges)))
		if trouble != "" && trouble != said { // once, and not at each reading
			log.Print(trouble)
		}
		said = trouble
		time.Sleep(pace)
	}
}
