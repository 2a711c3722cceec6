package doctor

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// maxAnswer is how many bytes of an answer are read.
const maxAnswer = 1 << 20

// dial makes the clients. Who answers is looked at by the check of TLS; the
// others go on if that has failed, without keys, so that one fault is one line.
func (v *visit) dial() {
	v.close()
	transport := func(keep bool) *http.Client {
		return &http.Client{
			Transport: &http.Transport{
				TLSClientConfig:        v.tlsConfig(),
				DisableKeepAlives:      !keep,
				DisableCompression:     true,
				MaxResponseHeaderBytes: 64 << 10,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	v.keep, v.once = transport(true), transport(false)
}

func (v *visit) close() {
	if v.keep != nil {
		v.keep.CloseIdleConnections()
		v.once.CloseIdleConnections()
	}
}

func (v *visit) tlsConfig() *tls.Config {
	return &tls.Config{
		RootCAs: v.Roots, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		InsecureSkipVerify: !v.known, // lookAtTLS verifies, and no key is sent where that failed
	}
}

// An answer is a response, read.
type answer struct {
	status int
	header http.Header
	body   []byte
	took   time.Duration // until the first byte
}

// get asks for a path below the address.
func (v *visit) get(ctx context.Context, client *http.Client, path string, header http.Header) (*answer, error) {
	return v.ask(ctx, client, http.MethodGet, v.base.String()+path, header, nil)
}

func (v *visit) ask(ctx context.Context, client *http.Client, method, address string, header http.Header, body io.Reader) (*answer, error) {
	var first time.Time
	begun := time.Now()
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotFirstResponseByte: func() { first = time.Now() }})
	request, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return nil, err
	}
	maps.Copy(request.Header, header)
	response, err := client.Do(request)
	if err != nil {
		return nil, plain(ctx, err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return nil, plain(ctx, err)
	}
	return &answer{response.StatusCode, response.Header, data, first.Sub(begun)}, nil
}

// plain is an error in words that do not name the URL again, which may have the
// id of a session in it.
func plain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("no answer within the time: %w", ctx.Err())
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// says is an answer in a few words.
func (a *answer) says() string {
	text := fmt.Sprintf("%d %s", a.status, http.StatusText(a.status))
	if body := quote(a.body); body != "" && a.status != http.StatusOK {
		text += " (" + body + ")"
	}
	return text
}

// quote is the beginning of what a server said, as it can be shown on a terminal.
func quote(body []byte) string {
	const most = 80
	text := strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(body[:min(len(body), 4*most)]), ""))
	text = strings.Join(strings.Fields(text), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// bearer is the header that a key goes in.
func bearer(key string) http.Header {
	if key == "" {
		return nil
	}
	return http.Header{"Authorization": {"Bearer " + key}}
}

// info is the answer to GET /api/info.
type info struct {
	Version string
	Node    string
	Broker  string
	Cluster bool
	Time    time.Time
	Client  struct {
		Address string
		Secure  bool
		Proxied bool
	}
}

// askInfo asks for it, with further headers. The text says why there is none.
func (v *visit) askInfo(ctx context.Context, header http.Header) (*info, string) {
	if v.OperatorKey != "" && !v.known {
		return nil, "the operator key goes to nobody who has not shown who it is: tls has to be well first"
	}
	all := bearer(v.OperatorKey)
	if all == nil {
		all = make(http.Header)
	}
	maps.Copy(all, header)
	a, err := v.get(ctx, v.once, "/api/info", all)
	switch {
	case err != nil:
		return nil, "/api/info: " + err.Error()
	case a.status == http.StatusUnauthorized && v.OperatorKey != "":
		return nil, "/api/info: the server does not know this operator key"
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return nil, "takes --operator-key"
	case a.status != http.StatusOK:
		return nil, "/api/info: " + a.says()
	}
	i := new(info)
	if json.Unmarshal(a.body, i) != nil {
		return nil, "/api/info: no JSON"
	}
	return i, ""
}
