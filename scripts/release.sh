#!/bin/sh
# Builds the program for each platform, such as linux/arm64, into a directory,
# with SHA256SUMS and an SBOM (CycloneDX):
#
#   release.sh dist linux/amd64 darwin/arm64
#
# The builds are reproducible: each is made a second time, of a clone elsewhere and
# with an empty cache, and has to be the same byte for byte.
set -eu
cd "$(dirname "$0")/.."
out=${1:?usage: release.sh DIRECTORY OS/ARCH...}
shift
cyclonedx=github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

if [ -n "$(git status --porcelain)" ]; then
  echo "release: there are changes that are not committed" >&2
  exit 1
fi
version=$(git describe --tags --always)
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH CGO_ENABLED=0 TZ=UTC
rm -rf "$out"
mkdir -p "$out"
out=$(cd "$out" && pwd)
again=$(mktemp -d)
trap 'chmod -R u+w "$again"; rm -rf "$again"' EXIT

# name OS/ARCH is the file's.
name() {
  suffix=
  [ "${1%/*}" != windows ] || suffix=.exe
  echo "stream-server-$version-${1%/*}-${1#*/}$suffix"
}

# build OS/ARCH DIRECTORY
build() {
  GOOS=${1%/*} GOARCH=${1#*/} go build -trimpath -buildvcs=true -ldflags '-s -w' -o "$2/$(name "$1")" .
}

git clone -q --no-hardlinks . "$again/source"
mkdir "$again/out"
for platform; do
  build "$platform" "$out"
  (cd "$again/source" && GOCACHE=$again/cache build "$platform" "$again/out")
  cmp "$out/$(name "$platform")" "$again/out/$(name "$platform")"
done

sbom="stream-server-$version.cdx.json"
go run "$cyclonedx" app -json -noserial -main . -output "$out/$sbom" .
(cd "$out" && sha256sum -- * >"$again/SHA256SUMS" && mv "$again/SHA256SUMS" .)
ls -l "$out"
