#!/bin/sh
# Builds dist/ from src/. With --check it only says whether dist/ is what it
# would build: the files are committed, so that the server needs no Node.
set -eu
cd "$(dirname "$0")"

out=dist
if [ "${1:-}" = --check ]; then
  out=$(mktemp -d)
  trap 'rm -rf "$out"' EXIT
fi

esbuild() {
  go run github.com/evanw/esbuild/cmd/esbuild@v0.28.2 --bundle --minify --target=es2020 --charset=utf8 --log-level=warning "$@"
}
esbuild src/script.js --format=iife --outfile="$out/sb.js"
esbuild src/module.js --format=esm --outfile="$out/sb.mjs"

for file in sb.js sb.mjs; do
  if ! cmp -s "$out/$file" "dist/$file"; then
    echo "client-js: dist/$file is stale: run client-js/build.sh" >&2
    exit 1
  fi
  echo "$file: $(gzip -9 -n <"$out/$file" | wc -c) bytes gzipped"
done
