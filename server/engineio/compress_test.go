package engineio

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/rand"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/sb-stream/stream-server/server/engineio/packet"
)

// pollAccepting is a GET that takes these codings.
func pollAccepting(url, codings string) answer {
	return withHeader("GET", url, http.Header{"Accept-Encoding": {codings}})
}

// withHeader asks without the help of net/http's client.
func withHeader(method, url string, header http.Header) answer {
	var body io.Reader = http.NoBody
	if method == http.MethodPost {
		body = strings.NewReader("6") // which means nothing
	}
	r, err := http.NewRequest(method, url, body)
	if err != nil {
		return answer{err: err}
	}
	r.Header = header
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		return answer{err: err}
	}
	defer res.Body.Close()
	p, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, string(p), res.Header, err}
}

// decompress is a body as a client reads it.
func decompress(t *testing.T, encoding, body string) string {
	t.Helper()
	var r io.Reader = strings.NewReader(body)
	var err error
	switch encoding {
	case "gzip":
		r, err = gzip.NewReader(r)
	case "deflate":
		r, err = zlib.NewReader(r)
	case "":
	default:
		t.Fatalf("Content-Encoding is %q", encoding)
	}
	if err != nil {
		t.Fatal(err)
	}
	p, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(p)
}

func TestCompression(t *testing.T) {
	noise := make([]byte, 3000)
	rand.Read(noise)
	long, emoji := strings.Repeat("x", 2000), strings.Repeat("😀", 256)
	for _, tt := range []struct {
		name, query, accept string
		threshold           int
		message             string
		binary              bool
		want                string // Content-Encoding
		vary                bool
	}{
		{"gzip", "EIO=4", "gzip", 0, long, false, "gzip", true},
		{"deflate", "EIO=4", "deflate", 0, long, false, "deflate", true},
		{"in capitals", "EIO=4", "GZIP", 0, long, false, "gzip", true},
		{"as browsers ask", "EIO=4", "gzip, deflate, br, zstd", 0, long, false, "gzip", true},
		{"any", "EIO=4", "*", 0, long, false, "gzip", true},
		{"no gzip, but any", "EIO=4", "gzip;q=0, *;q=0.5", 0, long, false, "deflate", true},
		{"any, but no gzip", "EIO=4", "*;q=0.5, gzip;q=0", 0, long, false, "deflate", true},
		{"deflate rather", "EIO=4", "gzip;q=0.5, deflate;q=0.8", 0, long, false, "deflate", true},
		{"no gzip", "EIO=4", "gzip;q=0", 0, long, false, "", true},
		{"no gzip, written otherwise", "EIO=4", "GZIP ; Q=0.000 , br", 0, long, false, "", true},
		{"none", "EIO=4", "identity", 0, long, false, "", true},
		{"nothing but none", "EIO=4", "*;q=0", 0, long, false, "", true},
		{"empty", "EIO=4", "", 0, long, false, "", true},
		{"bad weight", "EIO=4", "gzip;q=x", 0, long, false, "", true},
		{"another coding", "EIO=4", "br, xgzip, gzipx", 0, long, false, "", true},
		{"just long enough", "EIO=4", "gzip", 0, strings.Repeat("x", 1023), false, "gzip", true},
		{"just too short", "EIO=4", "gzip", 0, strings.Repeat("x", 1022), false, "", false},
		{"bytes and not characters", "EIO=4", "gzip", 0, emoji, false, "gzip", true},
		{"own threshold", "EIO=4", "gzip", 200, strings.Repeat("x", 199), false, "gzip", true},
		{"off", "EIO=4", "gzip", -1, long, false, "", false},
		{"does not get shorter", "EIO=3", "gzip", 0, string(noise), true, "", true},
		{"binary of version 3", "EIO=3", "gzip", 0, long, true, "gzip", true},
		{"JSONP", "EIO=4&j=0", "gzip", 0, long, false, "gzip", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := newApp(t, &Options{CompressThreshold: tt.threshold})
			_, url, s := a.openJSONP(t, tt.query)
			f := TextFrame(s.Version(), []byte(tt.message))
			if tt.binary {
				f = BinaryFrame(s.Version(), []byte(tt.message))
			}
			// Twice, because writers are used again.
			for range 2 {
				s.Send(f)
				got := pollAccepting(url, tt.accept)
				if e := got.header.Get("Content-Encoding"); e != tt.want {
					t.Errorf("Content-Encoding is %q, want %q", e, tt.want)
				}
				body := decompress(t, got.header.Get("Content-Encoding"), got.body)
				if !strings.Contains(body, tt.message) {
					t.Errorf("poll has %d bytes, want the message in it", len(body))
				}
				if tt.want != "" && len(got.body) >= len(body) {
					t.Errorf("poll has %d bytes for %d, want fewer", len(got.body), len(body))
				}
				if v := got.header.Get("Vary") == "Accept-Encoding"; v != tt.vary {
					t.Errorf("Vary is %q, want it to tell of the header is %v", got.header.Get("Vary"), tt.vary)
				}
				if c := got.header.Get("Cache-Control"); c != "no-store" {
					t.Errorf("Cache-Control is %q, want no-store", c)
				}
			}
		})
	}
}

// TestShortAnswersAreNotCompressed: handshakes, errors and the answers to
// POSTs, even with the smallest threshold.
func TestShortAnswersAreNotCompressed(t *testing.T) {
	a := newApp(t, &Options{CompressThreshold: 1, SessionIDGenerator: fixedID(strings.Repeat("a", 2000))})
	first := pollAccepting(a.url+"EIO=4&transport=polling", "gzip")
	post := withHeader("POST", a.url+"EIO=4&transport=polling&sid="+a.last().ID(), http.Header{"Accept-Encoding": {"gzip"}})
	wrong := pollAccepting(a.url+"EIO=4&transport=polling&sid=x", "gzip")
	for _, got := range []answer{first, post, wrong} {
		if e := got.header.Get("Content-Encoding"); e != "" || got.status == 0 {
			t.Errorf("answer %d %.20q has Content-Encoding %q, want none", got.status, got.body, e)
		}
	}
}

// TestCompressedBySomebodyElse: a handler around this one may do it.
func TestCompressedBySomebodyElse(t *testing.T) {
	a := newApp(t, nil)
	_, s := a.open(t, packet.V4)
	s.Send(TextFrame(packet.V4, []byte(strings.Repeat("x", 2000))))
	w := httptest.NewRecorder()
	w.Header().Set("Content-Encoding", "br")
	r := httptest.NewRequest("GET", "/?EIO=4&transport=polling&sid="+s.ID(), nil)
	r.Header.Set("Accept-Encoding", "gzip")
	a.ServeHTTP(w, r)
	if e := w.Header().Values("Content-Encoding"); len(e) != 1 || e[0] != "br" || w.Body.Len() != 2001 {
		t.Errorf("answer of %d bytes has Content-Encoding %q, want the 2001 and br", w.Body.Len(), e)
	}
}

// TestCompressionAtOnce has many polls share the writers.
func TestCompressionAtOnce(t *testing.T) {
	a := newApp(t, nil)
	var all sync.WaitGroup
	for i := range 8 {
		url, s := a.open(t, packet.V4)
		all.Go(func() {
			for n := range 50 {
				p := bytes.Repeat([]byte{byte(i), byte(n), 2, 3}, 500)
				s.Send(BinaryFrame(packet.V4, p))
				got := pollAccepting(url, "gzip")
				want := "b" + base64.StdEncoding.EncodeToString(p)
				if decompress(t, got.header.Get("Content-Encoding"), got.body) != want {
					t.Errorf("poll %d of client %d is not what was sent", n, i)
					return
				}
			}
		})
	}
	all.Wait()
}

// BenchmarkCompress is what a compressed answer costs.
func BenchmarkCompress(b *testing.B) {
	body := []byte(strings.Repeat(`42["news",{"price":1234.5,"at":1700000000}]`+"\x1e", 100))
	for _, c := range codings {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			var buf bytes.Buffer
			for b.Loop() {
				buf.Reset()
				c.compress(&buf, body)
			}
			b.ReportMetric(float64(len(body))/float64(buf.Len()), "times-shorter")
		})
	}
}
