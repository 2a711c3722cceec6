// Package pages is the live page of the server, as it is served at "/".
package pages

import _ "embed"

// The files of the page.
var (
	//go:embed index.html
	Index []byte
	//go:embed page.js
	Script []byte
	//go:embed page.css
	Style []byte
	//go:embed favicon.svg
	Icon []byte
)
