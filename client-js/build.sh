#!/bin/sh
# Builds dist/ from src/: sb.js and sb.mjs, which the server hands out, and
# index.mjs and index.cjs, which are the package's. With --check it only says
# whether dist/ is what it would build: the files are committed, so that the
# server needs no Node.
set -eu
cd "$(dirname "$0")"

out=dist
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d ./check.XXXXXX) # beside dist: maps name their sources from where they are
  trap 'rm -rf "$out"' EXIT
fi

esbuild() {
  go run github.com/evanw/esbuild/cmd/esbuild@v0.28.2 --bundle --minify --target=es2020 --charset=utf8 --log-level=warning \
    --sourcemap "$@"
}
esbuild src/script.js --format=iife --outfile="$out/sb.js"
esbuild src/module.js --format=esm --outfile="$out/sb.mjs"
# The package has src in it. Its own address says nothing of a server: its SB is that of the page.
for format in esm cjs; do
  esbuild src/module.js --define:import.meta.url='"/"' --sources-content=false --format=$format \
    --outfile="$out/index.$(echo $format | sed s/esm/mjs/)"
done
cp sb.d.ts "$out/index.d.cts" # the same types, for require()

for file in sb.js sb.mjs index.mjs index.cjs; do
  for built in "$file" "$file.map" index.d.cts; do
    if ! cmp -s "$out/$built" "dist/$built"; then
      echo "client-js: dist/$built is stale: run client-js/build.sh" >&2
      exit 1
    fi
  done
  echo "$file: $(gzip -9 -n <"$out/$file" | wc -c) bytes gzipped"
done
