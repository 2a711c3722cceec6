package clientjs

import (
	"bytes"
	"compress/gzip"
	"testing"
)

// budget is what a page may be asked to load for SB.comet, in gzipped bytes.
const budget = 6000

func TestSize(t *testing.T) {
	for _, tt := range []struct {
		name string
		file []byte
	}{
		{"sb.js", SB},
		{"sb.mjs", SBModule},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var zipped bytes.Buffer
			w, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(tt.file); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			t.Logf("%s: %d bytes, %d gzipped", tt.name, len(tt.file), zipped.Len())
			if len(tt.file) == 0 || zipped.Len() > budget {
				t.Errorf("gzipped size of %s = %d, want at most %d of something", tt.name, zipped.Len(), budget)
			}
		})
	}
}
