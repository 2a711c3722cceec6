// Command notifications is a web server with members, each of whom has
// notifications of their own: the channel member:<id>, which nobody else may
// hear. A page shows who it is by a JWT that this server signs with SB_JWT_KEY,
// as the stream server knows it; the messages are durable.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"encoding/json"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/sb-stream/stream-server/examples/style"
	"github.com/sb-stream/stream-server/web"
)

//go:embed index.html
var index string

func main() {
	key := os.Getenv("SB_JWT_KEY")
	if len(key) < 32 {
		log.Fatal("SB_JWT_KEY is to have 32 bytes or more, and to be that of the stream server")
	}
	stream := cmp.Or(os.Getenv("STREAM"), "http://localhost:8080")
	page := strings.ReplaceAll(index, "{stream}", stream)
	s := &server{key: []byte(key), inbox: newInbox()}
	http.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write([]byte(page)) // a browser that has gone needs none
	})
	http.HandleFunc("GET /page.css", style.Serve)
	http.HandleFunc("POST /login", s.login)
	http.HandleFunc("POST /logout", s.logout)
	http.HandleFunc("POST /token", s.member(s.token))
	http.HandleFunc("GET /notifications", s.member(s.list))
	http.HandleFunc("POST /notify", s.member(s.notify))
	web := &http.Server{Addr: "localhost:" + cmp.Or(os.Getenv("PORT"), "3000"), ReadHeaderTimeout: 10 * time.Second}
	log.Fatal(web.ListenAndServe())
}

type server struct {
	key   []byte
	inbox *inbox
}

// login makes somebody a member by name; a real one asks for a password too.
func (s *server) login(w http.ResponseWriter, r *http.Request) {
	name := r.FormValue("name")
	if !s.inbox.known(name) {
		http.Error(w, "nobody of that name", http.StatusForbidden)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: "session", Value: s.inbox.begin(name), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	w.WriteHeader(http.StatusNoContent)
}

func (s *server) logout(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie("session"); err == nil {
		s.inbox.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: "session", Path: "/", MaxAge: -1})
	w.WriteHeader(http.StatusNoContent)
}

// member lets members alone through.
func (s *server) member(next func(w http.ResponseWriter, r *http.Request, name string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		cookie, err := r.Cookie("session")
		if err != nil || s.inbox.owner(cookie.Value) == "" {
			http.Error(w, "log in first", http.StatusUnauthorized)
			return
		}
		next(w, r, s.inbox.owner(cookie.Value))
	}
}

// token is what the member shows the stream server; the page asks for another
// before it ends.
func (s *server) token(w http.ResponseWriter, _ *http.Request, name string) {
	claims := jwt.RegisteredClaims{Subject: name, ExpiresAt: jwt.NewNumericDate(time.Now().Add(10 * time.Minute))}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(s.key)
	if err != nil {
		http.Error(w, "no token", http.StatusInternalServerError)
		return
	}
	answer(w, map[string]string{"member": name, "token": token})
}

// list is the state, for a page that begins, or was told of a gap.
func (s *server) list(w http.ResponseWriter, _ *http.Request, name string) {
	answer(w, s.inbox.list(name))
}

func (s *server) notify(w http.ResponseWriter, r *http.Request, name string) {
	to, text := r.FormValue("to"), r.FormValue("text")
	if !s.inbox.known(to) || text == "" || len(text) > 800 {
		http.Error(w, "to one of us, and a text of at most 200 characters", http.StatusBadRequest)
		return
	}
	note := s.inbox.add(to, name, text)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), 2*time.Second) // also if the page is closed
	defer cancel()
	if err := web.Stream(ctx, "member:"+to, note, web.Durable()); err != nil {
		log.Print(err) // it is in the inbox
	}
	w.WriteHeader(http.StatusNoContent)
}

func answer(w http.ResponseWriter, data any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(data); err != nil {
		log.Print(err)
	}
}
