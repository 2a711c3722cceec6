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
TESTTIME ?= 10m

.PHONY: all setup client fmt lint test go-test js-test race matrix fuzz soak bench run vuln help

all: ## build the binary
	go build -o stream-server .

setup: ## install what the tests need
	scripts/setup.sh

client: ## build client-js/dist from its source
	client-js/build.sh

fmt: setup ## format Go and JavaScript
	$(GOLANGCI) fmt
	npx biome check --write

lint: setup ## everything that can be said without running it
	go vet ./...
	cd tests/gosocketio && go vet ./...
	cd bench && go vet ./...
	$(GOLANGCI) run
	$(GOLANGCI) fmt --diff
	test -z "$$(go fix -diff ./... 2>&1 | tee /dev/stderr)"
	# An Example without output is read and not run.
	test -z "$$($(DEADCODE) -test ./... | grep -v 'unreachable func: Example' | tee /dev/stderr)"
	scripts/lint.sh
	client-js/build.sh --check
	npx biome ci
	npx tsc -p client-js

test: setup go-test js-test ## all tests

go-test:
	go test -race -shuffle=on -timeout $(TESTTIME) ./...
	STREAM_TEST_SOCKETS=epoll go test -race -shuffle=on -timeout $(TESTTIME) ./server/engineio
	cd tests/gosocketio && go test -race -timeout $(TESTTIME) ./...
	cd bench && go test -timeout $(TESTTIME) ./...

js-test: all
	node --test client-js/tests/
	SB_BINARY=$(CURDIR)/stream-server node --test --test-concurrency=1 tests/

matrix: setup ## the table of clients, into README.md
	SB_WRITE_README=1 node --test tests/matrix.test.mjs

race: setup ## the Go tests 20 times
	go test -race -shuffle=on -count=20 -timeout 2h ./...
	STREAM_TEST_SOCKETS=epoll go test -race -shuffle=on -count=20 -timeout 2h ./server/engineio

fuzz: ## each fuzz target for FUZZTIME
	scripts/fuzz.sh $(FUZZTIME)

soak: ## clients of all kinds come and go for SOAKTIME, and nothing is left
	SOAKTIME=$(SOAKTIME) go test -count=1 -run TestSoak -timeout 12h -v ./tests/soak

bench: all setup ## the benchmarks, and what a delivery costs beside other servers
	go test -run '^$$' -bench . -benchmem -timeout $(TESTTIME) ./...
	cd bench && go run . $(BENCHFLAGS)

run: ## the server, as `go run .`
	go run .

vuln: ## known faults in what we use (needs the network)
	$(GOVULNCHECK) ./...

help:
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12
