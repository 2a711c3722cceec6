// Package pages is the console, as it is served at "/": HTML, CSS and scripts
// that a browser reads as they are.
package pages

import "embed"

// Index is the name of the page itself among the Files.
const Index = "index.html"

// Files are those of the console, all in one folder.
//
//go:embed *.html *.css *.js *.svg
var Files embed.FS
