package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What one node asks another by HTTP is signed with the cluster key, as what
// they publish is. The signature is good for one node, for half a minute either
// way, and for exactly this method, path, query, body and client. The answers to
// calls are signed too: an address may have changed hands.
const (
	headerNode   = "Stream-Node"   // "<from> <to> <Unix ms> <nonce> <SHA-256 of the body> <mac>"
	headerClient = "Stream-Client" // "<address> <http or https>": whose request is passed on
	headerAnswer = "Stream-Answer" // "<mac>", of the nonce, the status and the body
)

// What a signature is of, so that none is good for anything else.
const (
	signsRequest = "request"
	signsAnswer  = "answer"
	signsLease   = "lease"
)

// errElsewhere is that of a request for another node, or for the one that had
// this address before.
var errElsewhere = errors.New("server: a request for another node")

// An envelope is what a good signature says of a request.
type envelope struct {
	from, nonce string
	body        string // SHA-256, in hexadecimal

	client string // where it comes from, if it is a client's that is passed on
	secure bool   // and came over TLS
}

type envelopeKey struct{}

// envelopeOf is that of a request of another node; nil for anybody else's.
func envelopeOf(r *http.Request) *envelope {
	e, _ := r.Context().Value(envelopeKey{}).(*envelope)
	return e
}

// in is r with its envelope.
func (e *envelope) in(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), envelopeKey{}, e))
}

func hashed(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// requestText is what the signature of a request is of.
func requestText(r *http.Request, target string, fields []string) []byte {
	return []byte(strings.Join(append(fields, r.Method, target, r.Header.Get(headerClient)), "\n"))
}

// signRequest signs a request to a node, which will have this body. Its
// headerClient stands already.
func (s *seal) signRequest(r *http.Request, from, to string, body []byte) (nonce string) {
	nonce = rand.Text()
	fields := []string{from, to, strconv.FormatInt(s.now().UnixMilli(), 10), nonce, hashed(body)}
	r.Header.Set(headerNode, strings.Join(append(fields, s.mac(signsRequest, requestText(r, r.URL.RequestURI(), fields))), " "))
	return nonce
}

// openRequest believes a request to this node, whose body has yet to be held
// against the envelope.
func (s *seal) openRequest(r *http.Request, to string) (*envelope, error) {
	if len(r.Header[headerNode]) != 1 || len(r.Header[headerClient]) > 1 {
		return nil, errForged
	}
	fields := strings.Split(r.Header.Get(headerNode), " ")
	if len(fields) != 6 || !s.made(signsRequest, requestText(r, r.RequestURI, fields[:5:5]), fields[5]) {
		return nil, errForged
	}
	at, err := strconv.ParseInt(fields[2], 10, 64)
	if age := s.now().Sub(time.UnixMilli(at)); err != nil || age > freshness || age < -freshness {
		return nil, errStale
	}
	if fields[1] != to {
		return nil, errElsewhere
	}
	e := &envelope{from: fields[0], nonce: fields[3], body: fields[4]}
	if client, scheme, ok := strings.Cut(r.Header.Get(headerClient), " "); ok {
		e.client, e.secure = client, scheme == "https"
	}
	return e, nil
}

// answerText is what the signature of an answer is of.
func answerText(nonce string, status int, body []byte) []byte {
	return bytes.Join([][]byte{[]byte(nonce), []byte(strconv.Itoa(status)), body}, []byte("\n"))
}

// mac is the signature of a message of a kind.
func (s *seal) mac(kind string, message []byte) string {
	return base64.RawStdEncoding.EncodeToString(s.signature(kind, message))
}

// made reports whether one of our keys made this signature.
func (s *seal) made(kind string, message []byte, text string) bool {
	mac, err := base64.RawStdEncoding.DecodeString(text)
	return err == nil && len(mac) == sha256.Size && s.signed(kind, message, mac)
}
