// Package clientjs is SB.comet, the browser's side, as the server hands it out.
//
// The sources are in src, and dist is what build.sh makes of them; it is
// committed, so that building the server needs no other tool. The package
// serves nothing itself.
package clientjs

import _ "embed" // of dist

// SB is /sb.js, the classic script that sets window.SB.
//
//go:embed dist/sb.js
var SB []byte

// SBModule is /sb.mjs, the same as a module.
//
//go:embed dist/sb.mjs
var SBModule []byte

// SBMap and SBModuleMap have the sources in them, for a browser's debugger:
// /sb.js.map and /sb.mjs.map.
var (
	//go:embed dist/sb.js.map
	SBMap []byte
	//go:embed dist/sb.mjs.map
	SBModuleMap []byte
)
