package server

import (
	"errors"
	"net/http"

	"github.com/sb-stream/stream-server/internal/tags"
)

// A Code is the word by which a client tells one error from another. The table
// is that of DESIGN.md section 2.
type Code string

// The codes of acks, of CONNECT_ERROR and of the HTTP answers below /api/.
const (
	CodeBadChannel      Code = "bad_channel"       // the tag cannot be a channel's name
	CodeForbidden       Code = "forbidden"         // this client may not
	CodeTooManyChannels Code = "too_many_channels" // the client hears as many as it may
	CodeRateLimited     Code = "rate_limited"      // too often
	CodeBadToken        Code = "bad_token"         // the token is not one of ours
	CodeExpired         Code = "expired"           // the token was one of ours
	CodeUnavailable     Code = "unavailable"       // the broker is away, or the server is going
	CodeBadRequest      Code = "bad_request"       // the arguments make no sense
	CodeNotFound        Code = "not_found"         // an operator asks for somebody who is not there
)

// statuses are those of answers to requests that wait for messages.
var statuses = map[Code]int{
	CodeBadChannel:      http.StatusBadRequest,
	CodeForbidden:       http.StatusForbidden,
	CodeTooManyChannels: http.StatusBadRequest,
	CodeRateLimited:     http.StatusTooManyRequests,
	CodeBadToken:        http.StatusUnauthorized,
	CodeExpired:         http.StatusUnauthorized,
	CodeUnavailable:     http.StatusServiceUnavailable,
	CodeBadRequest:      http.StatusBadRequest,
}

// A wireError is an error as clients see it: {code, message, channel?}.
type wireError struct {
	Code    Code   `json:"code"`
	Message string `json:"message"`
	Channel string `json:"channel,omitempty"`
}

func (e *wireError) Error() string { return string(e.Code) + ": " + e.Message }

// asWireError is err as a client may see it. What is none of ours says nothing
// of the inside.
func asWireError(err error) *wireError {
	var e *wireError
	if !errors.As(err, &e) {
		return &wireError{Code: CodeUnavailable, Message: "something went wrong"}
	}
	return e
}

// badChannel is what [tags.Check] found. A tag that is too long is not
// sent back.
func badChannel(tag string, err error) *wireError {
	e := &wireError{Code: CodeBadChannel, Message: err.Error()}
	if len(tag) <= tags.Max {
		e.Channel = tag
	}
	return e
}
