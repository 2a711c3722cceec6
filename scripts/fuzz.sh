#!/bin/sh
# Runs each fuzz target of the module for the time given, such as 2m. What is
# found stands in testdata/fuzz, to be committed.
set -eu
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh TIME}

for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "== $package $target"
    # Without the limit, making inputs smaller takes most of the time.
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package"
  done
done
