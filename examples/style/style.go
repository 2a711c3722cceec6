// Package style is what the pages of the examples look like.
package style

import (
	_ "embed" // of the file
	"net/http"
)

//go:embed page.css
var css []byte

// Serve answers with the style sheet.
func Serve(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(css) // a browser that has gone needs none
}
