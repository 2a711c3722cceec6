#!/bin/sh
# The rules of the project that no linter knows.
set -eu
cd "$(dirname "$0")/.."
fault=0
say() {
  echo "lint: $*" >&2
  fault=1
}

for file in $(git ls-files '*.go'); do
  lines=$(wc -l <"$file")
  [ "$lines" -le 300 ] || say "$file has $lines lines, more than 300: split it by verb"
done
grep -q '"resolved": "[a-z+]*:' package-lock.json && say "package-lock.json holds download addresses"
for script in scripts/*.sh client-js/*.sh examples/run .ci/run; do
  bash -n "$script" || say "$script does not parse"
done
[ "$(wc -l <README.md)" -le 150 ] || say "README.md has more than 150 lines"
exit $fault
