#!/bin/sh
# Installs what the tests need beside Go and Node: the packages of
# package-lock.json, and from Debian redis-server, nginx, HAProxy, promtool, Caddy, Chromium,
# systemd, shells and the languages of examples/. What is there already is left alone.
set -eu
cd "$(dirname "$0")/.."

for tool in go node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "setup: $tool is missing: install Go 1.26 and Node.js 20 or newer" >&2
    exit 1
  fi
done

if ! cmp -s package-lock.json node_modules/.installed-from; then
  npm ci --no-audit --no-fund --loglevel=error
  cp package-lock.json node_modules/.installed-from
fi

# need PACKAGE COMMAND… notes the package if the command fails.
missing=""
need() {
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
need redis-server redis-server --version
need redis-tools redis-cli --version
need openssl openssl version
need nginx-light test -x /usr/sbin/nginx
need haproxy test -x /usr/sbin/haproxy
need prometheus promtool --version
need caddy caddy version
need systemd systemd-socket-activate --version
need zsh zsh --version
need fish fish --version
need chromium test -x /usr/bin/chromium
need php-cli php --version
need php-redis php -r 'new Redis;'
need ruby ruby --version
need ruby-redis ruby -e 'require "redis"'
need ruby-sinatra ruby -e 'require "sinatra/base"'
need ruby-webrick ruby -e 'require "webrick"'
need python3-redis /usr/bin/python3 -c 'import redis'
need python3-flask /usr/bin/python3 -c 'import flask'
need curl curl --version

[ -n "$missing" ] || exit 0
as_root=""
if [ "$(id -u)" != 0 ]; then
  as_root="sudo -n"
fi
if command -v apt-get >/dev/null && $as_root true 2>/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get update -qq
  # shellcheck disable=SC2086 # a list
  if $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null; then
    exit 0
  fi
fi
echo "setup: install these packages, then try again:$missing" >&2
exit 1
