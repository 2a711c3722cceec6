# `make` builds, `make test` proves, `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := all

# Tools, pinned here so that go.mod stays clean.
GOLANGCI := go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
DEADCODE := go run golang.org/x/tools/cmd/deadcode@v0.52.0
GOVULNCHECK := go run golang.org/x/vuln/cmd/govulncheck@latest

FUZZTIME ?= 2m
SOAKTIME ?= 10m
HALFOPEN ?= 10000
TESTTIME ?= 10m
STICKYTIME ?= 10m
STICKYCLIENTS ?= 2000

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

.PHONY: all docs release setup client fmt lint test go-test js-test race matrix fuzz soak halfopen chaos sticky bench run vuln help

all: ## build the binary
	go build -o stream-server .

setup: ## install what the tests need
	scripts/setup.sh

client: ## build client-js/dist from its source
	client-js/build.sh

fmt: setup ## format Go and JavaScript
	$(GOLANGCI) fmt
	npx biome check --write

docs: ## docs/configuration.md and the example, from the flags
	SB_WRITE_DOCS=1 go test -count=1 -run TestDocs .

lint: setup ## everything that can be said without running it
	go vet ./...
	cd tests/gosocketio && go vet ./...
	cd tests/chaos && go vet ./...
	cd bench && go vet ./...
	cd tests/kubernetes && go vet ./...
	# make release builds for all platforms; these two stand for those that are not Linux.
	CGO_ENABLED=0 GOOS=windows GOARCH=amd64 go build -o /dev/null .
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 go build -o /dev/null .
	$(GOLANGCI) run
	$(GOLANGCI) fmt --diff
	test -z "$$(go fix -diff ./... 2>&1 | tee /dev/stderr)"
	# An Example without output is read and not run.
	test -z "$$($(DEADCODE) -test ./... | grep -v 'unreachable func: Example' | tee /dev/stderr)"
	scripts/lint.sh
	client-js/build.sh --check
	npx biome ci
	npx tsc -p client-js
	npx tsc -p server/pages
	npx tsc -p web/node

test: setup go-test js-test ## all tests

go-test:
	# All 10,000 histories run without the race detector, which makes them slow.
	HISTORIES=1000 go test -race -shuffle=on -timeout $(TESTTIME) ./...
	go test -count=1 -run TestHistories -timeout $(TESTTIME) ./server
	STREAM_TEST_SOCKETS=epoll go test -race -shuffle=on -timeout $(TESTTIME) ./server/engineio
	# Once more without the race detector, which is what its 100 ms are held to.
	go test -count=1 -timeout $(TESTTIME) ./tests/hostile
	cd tests/gosocketio && go test -race -timeout $(TESTTIME) ./...
	cd tests/chaos && go test -count=1 -timeout $(TESTTIME) ./...
	cd bench && go test -timeout $(TESTTIME) ./...
	cd tests/kubernetes && go test -timeout $(TESTTIME) ./...

js-test: all
	node --test --test-timeout=300000 --test-force-exit client-js/tests/
	# A runner that hangs would be waited for without an end.
	SB_BINARY=$(CURDIR)/stream-server timeout 40m node --test --test-timeout=900000 --test-force-exit --test-concurrency=1 tests/

matrix: setup ## the table of clients, into README.md
	SB_WRITE_README=1 node --test tests/matrix.test.mjs

race: setup ## the Go tests 20 times
	go test -race -shuffle=on -count=20 -timeout 2h ./...
	STREAM_TEST_SOCKETS=epoll go test -race -shuffle=on -count=20 -timeout 2h ./server/engineio

fuzz: ## each fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

soak: ## clients of all kinds come and go for SOAKTIME, and nothing is left
	SOAKTIME=$(SOAKTIME) go test -count=1 -run TestSoak -timeout 12h -v ./tests/soak

halfopen: ## HALFOPEN connections that do nothing, and are ended in time
	HALFOPEN=$(HALFOPEN) go test -count=1 -run TestHalfOpen -timeout 10m -v ./tests/soak

chaos: all setup ## nodes and Redis are killed, stopped and cut off, and what becomes of every message
	cd tests/chaos && SB_BINARY=$(CURDIR)/stream-server go test -count=1 -timeout 40m -v . -long $(CHAOSFLAGS)

sticky: all setup ## STICKYCLIENTS clients poll three nodes through nginx, without stickiness, for STICKYTIME
	SB_BINARY=$(CURDIR)/stream-server STICKYTIME=$(STICKYTIME) STICKYCLIENTS=$(STICKYCLIENTS) go test -count=1 -run TestSticky -timeout 12h -v ./tests/cluster

bench: all setup ## the benchmarks, and what a delivery costs beside other servers
	go test -run '^$$' -bench . -benchmem -timeout $(TESTTIME) ./...
	cd bench && go run . $(BENCHFLAGS)

release: ## static binaries for PLATFORMS into dist, with checksums and an SBOM (needs a clean tree)
	scripts/release.sh dist $(PLATFORMS)

run: ## the server, as `go run .`
	go run .

vuln: ## known faults in what we use (needs the network)
	$(GOVULNCHECK) ./...

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
