// Command scoreboard is a web server with a page of football matches. It
// plays the matches itself, and sends each change to whoever watches, by
// web.Stream; the page hears of it by SB.comet.
//
// Start a stream server with `go run .`, then this, and open the address that
// it prints. SB_REDIS says where the stream server's Redis is, as it does to
// that.
package main

import (
	"context"
	"embed"
	"encoding/json"
	"flag"
	"fmt"
	"html/template"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/sb-stream/stream-server/web"
)

//go:embed index.html page.js page.css
var files embed.FS

func main() {
	listen := flag.String("listen", "localhost:8090", "address of the page")
	stream := flag.String("stream", "http://localhost:8080", "the stream server, as browsers reach it")
	pace := flag.Duration("pace", 500*time.Millisecond, "one minute of the matches")
	flag.Parse()
	if err := run(*listen, *stream, *pace); err != nil {
		log.Fatal("scoreboard: ", err)
	}
}

// run serves the page and plays the matches, until it is interrupted.
func run(listen, stream string, pace time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	page, err := template.ParseFS(files, "index.html")
	if err != nil {
		return err
	}
	board := newBoard()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		if err := page.Execute(w, map[string]any{"Stream": stream, "Matches": board.matches()}); err != nil {
			log.Print("scoreboard: ", err)
		}
	})
	mux.Handle("GET /", http.FileServerFS(files))
	// The state of a match, for a page that was told of a gap.
	mux.HandleFunc("GET /matches/{id}", func(w http.ResponseWriter, r *http.Request) {
		match, ok := board.match(r.PathValue("id"))
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(match); err != nil {
			log.Print("scoreboard: ", err)
		}
	})

	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	// The stream server lets pages of its own host name in, on any port.
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	fmt.Printf("Open http://localhost:%s/\n", port)

	played := make(chan struct{})
	go func() { // ends with ctx
		defer close(played)
		play(ctx, board, pace)
	}()
	err = server.Serve(listener)
	<-played
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// play lets a minute of every match go by at each tick, and tells who watches.
func play(ctx context.Context, board *board, pace time.Duration) {
	ticker := time.NewTicker(pace)
	defer ticker.Stop()
	said := ""
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		trouble := ""
		for _, match := range board.minute() {
			if err := web.Stream(ctx, match.Channel, match); err != nil && ctx.Err() == nil {
				trouble = err.Error()
			}
		}
		if trouble != "" && trouble != said { // once, and not at each tick
			log.Print("scoreboard: not sent: ", trouble)
		}
		said = trouble
	}
}
