package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/sb-stream/stream-server/channels/embedded"
)

// A try is a request, and the status that it is answered with.
type try struct {
	n      *node
	what   string // method, and path of the document
	target string // that is asked for; empty: the path
	body   string
	status int
	header []string // in pairs
}

// An inspector holds what is answered against the document, and keeps what of
// the document it has seen.
type inspector struct {
	*document
	answers map[string]bool // "post /api/publish 200 application/json"
	used    map[string]bool // "get /api/channels ?limit"
}

// try makes a request, and fails the test unless the document says what comes.
// It returns the body.
func (d *inspector) try(c try) string {
	d.t.Helper()
	method, path, _ := strings.Cut(c.what, " ")
	operation := d.operation(path, method)
	responses, _ := operation["responses"].(object)
	response := d.resolve(responses[strconv.Itoa(c.status)])
	if response == nil {
		d.t.Errorf("the document has no %s %d", c.what, c.status)
		return ""
	}
	if c.target == "" {
		c.target = path
	}
	if c.status < 400 {
		d.checkRequest(operation, path, method, &c)
	}
	resp := d.send(c, strings.ToUpper(method))
	name := fmt.Sprintf("%s %.80s", c.what, c.target)
	if resp.StatusCode != c.status {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		d.t.Errorf("%s = %d %s, want %d", name, resp.StatusCode, text, c.status)
		return ""
	}
	headers, _ := response["headers"].(object)
	for _, header := range slices.Sorted(maps.Keys(headers)) {
		if err := d.fault(d.resolve(headers[header])["schema"], resp.Header.Get(header)); err != nil {
			d.t.Errorf("%s %d: header %s: %v", name, c.status, header, err)
		}
	}
	mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	body := d.read(resp, mediaType)
	seen := fmt.Sprintf("%s %d", c.what, c.status)
	if content, _ := response["content"].(object); content != nil {
		seen += " " + mediaType
		media, ok := content[mediaType].(object)
		if !ok {
			d.t.Errorf("%s %d is %q, which is not in the document", name, c.status, mediaType)
		} else if method != "head" {
			d.checkBody(fmt.Sprintf("%s %d", name, c.status), media["schema"], mediaType, body)
		}
	} else if len(body) > 0 {
		d.t.Errorf("%s %d has the body %.100q, want none", name, c.status, body)
	}
	d.answers[seen] = true
	return string(body)
}

// checkRequest holds a request that succeeds against the document.
func (d *inspector) checkRequest(operation object, path, method string, c *try) {
	d.t.Helper()
	u, err := url.Parse(c.target)
	if err != nil {
		d.t.Fatal(err)
	}
	if !template(path).MatchString(u.EscapedPath()) {
		d.t.Errorf("%s is not of the form of %s", c.target, path)
	}
	known := make(map[string]object)
	for _, p := range d.parameters(d.root["paths"].(object)[path].(object), method) {
		if p["in"] == "query" {
			known[p["name"].(string)] = d.resolve(p["schema"])
		}
	}
	for name, values := range u.Query() {
		d.used[c.what+" ?"+name] = true
		var value any = values[0]
		switch known[name]["type"] {
		case "integer":
			if value, err = strconv.Atoi(values[0]); err != nil {
				d.t.Error(err)
			}
		case "array":
			value = []any{values[0]}
		}
		if known[name] == nil {
			d.t.Errorf("%s has no parameter %s", c.what, name)
		} else if err := d.fault(known[name], value); err != nil {
			d.t.Errorf("%s: %s: %v", c.what, name, err)
		}
	}
	if request, _ := operation["requestBody"].(object); request != nil {
		mediaType := d.mediaType(c)
		media, ok := request["content"].(object)[mediaType].(object)
		if !ok {
			d.t.Fatalf("%s takes no %s", c.what, mediaType)
		}
		d.checkBody(c.what+" takes", media["schema"], mediaType, []byte(c.body))
	}
}

// mediaType is that of the body of the request.
func (*inspector) mediaType(c *try) string {
	if i := slices.Index(c.header, "Content-Type"); i >= 0 {
		return c.header[i+1]
	}
	return "application/json"
}

func (d *inspector) checkBody(name string, schema any, mediaType string, body []byte) {
	d.t.Helper()
	var value any = string(body)
	if mediaType == "application/json" {
		var err error
		if value, err = jsonschema.UnmarshalJSON(bytes.NewReader(body)); err != nil {
			d.t.Errorf("%s %.200q: %v", name, body, err)
			return
		}
	}
	if err := d.fault(schema, value); err != nil {
		d.t.Errorf("%s %.500s: %v", name, body, err)
	}
}

// send makes a request, with Content-Type: application/json unless it has another.
func (d *inspector) send(c try, method string) *http.Response {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), patience)
	d.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, method, c.n.url+c.target, strings.NewReader(c.body))
	if err != nil {
		d.t.Fatal(err)
	}
	if c.body != "" {
		req.Header.Set("Content-Type", d.mediaType(&c))
	}
	for i := 0; i < len(c.header); i += 2 {
		req.Header.Set(c.header[i], c.header[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req) // which follows no redirect
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// read is the body of an answer. Of a stream it is what comes first.
func (d *inspector) read(resp *http.Response, mediaType string) []byte {
	d.t.Helper()
	if resp.StatusCode == http.StatusSwitchingProtocols {
		return nil // what follows is none
	}
	if mediaType != "text/event-stream" {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			d.t.Error(err)
		}
		return body
	}
	first := make([]byte, 4096)
	n, err := resp.Body.Read(first)
	if err != nil && !errors.Is(err, io.EOF) {
		d.t.Error(err)
	}
	resp.Body.Close()
	return first[:n]
}

// complete fails the test unless every answer of the document has come, and
// every parameter of a query has been used; but for those of unmade.
func (d *inspector) complete(unmade map[string]bool) {
	d.t.Helper()
	want := make(map[string]bool)
	for path, item := range d.root["paths"].(object) {
		for _, method := range methods {
			operation := d.operation(path, method)
			if operation == nil {
				continue
			}
			what := method + " " + path
			responses := operation["responses"].(object)
			for status, response := range responses {
				content, _ := d.resolve(response)["content"].(object)
				if content == nil {
					want[what+" "+status] = true
				}
				for mediaType := range content {
					want[what+" "+status+" "+mediaType] = true
				}
			}
			for _, p := range d.parameters(item.(object), method) {
				if p["in"] == "query" && method == "get" {
					want[what+" ?"+p["name"].(string)] = true
				}
			}
		}
	}
	for _, one := range slices.Sorted(maps.Keys(want)) {
		switch made := d.answers[one] || d.used[one]; {
		case !made && !unmade[one]:
			d.t.Errorf("the document has %s, which no request of this test has come to", one)
		case made && unmade[one]:
			d.t.Errorf("%s is said to be for other tests", one)
		}
	}
}

// A lossyBroker is one that may be away.
type lossyBroker struct {
	*embedded.Broker
	away atomic.Bool
}

func (b *lossyBroker) Up() bool { return !b.away.Load() && b.Broker.Up() }

func (b *lossyBroker) Publish(ctx context.Context, tag string, data []byte) (int, error) {
	if b.away.Load() {
		return 0, errors.New("the broker is away")
	}
	return b.Broker.Publish(ctx, tag, data)
}

func newLossyBroker(t *testing.T) *lossyBroker {
	t.Helper()
	b, err := embedded.New(embedded.Config{Listen: "127.0.0.1:0", Prefix: "sb:", Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(); err != nil {
		t.Fatal(err)
	}
	return &lossyBroker{Broker: b}
}
