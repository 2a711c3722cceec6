#!/bin/sh
# Runs each fuzz target of the module for the time given, such as 2m. What is
# found stands in testdata/fuzz, to be committed.
set -eu
cd "$(dirname "$0")/.."
time=${1:?usage: fuzz.sh TIME}
log=$(mktemp)
trap 'rm -f "$log"' EXIT

for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    echo "== $package $target"
    # Without the limit, making inputs smaller takes most of the time. An input
    # that is under way when the time is up is reported as a failure by Go, in
    # these words and without the input.
    go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 10x "$package" 2>&1 | tee "$log" ||
      true
    if grep -q '^FAIL' "$log" && { grep -q 'Failing input' "$log" || ! grep -q 'context deadline exceeded' "$log"; }; then
      exit 1
    fi
  done
done
