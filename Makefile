SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# Suites measure, and share one machine with a broker: one after the other.
.NOTPARALLEL:

LINT_VERSION := v2.15.0
LINT := build/tools/golangci-lint-$(LINT_VERSION)
KAFKA := deploy/kafka/local/kafka.sh
SCRIPTS := $(KAFKA) deploy/docker/ready .ci/run

# How long `make fuzz` spends on each target, how often `make nightly` repeats what is random, and which benchmarks run.
FUZZTIME ?= 30s
REPEAT ?= 5
BENCH ?= .

# What `make bench-kafka` hands to `highwater bench`, such as BENCHFLAGS='--workload late-heavy --runs 3'.
BENCHFLAGS ?=

# Tests that need a real broker: all of these packages, and of others the tests named TestRealBroker..., which need the
# build tag realbroker so that `make test` needs nothing but Go.
BROKER := /test/(e2e|broker)(/|$$)
BESIDE := ./pkg/replica ./pkg/shard ./pkg/processor
# What has goroutines; the pure core has none, and is slow under the race detector.
CONCURRENT := /(cmd/[^/]+|pkg/(bench|codec|dev|ingest|kafka|processor|query|replica|service|shard|state)|deploy/kafka/ready)$$

comma := ,
# $(call suite,NAME,COMMAND) runs a command and says on a line of its own how it ended. Steps are joined by &&: behind an
# || the shell doesn't stop at the first failure by itself.
define suite
@began=$$SECONDS; result=ok; ( $(2) ) || result=FAILED; \
	echo "$(1): $$((SECONDS - began)) s"; echo "== suite: $(1): $$result"; [ $$result = ok ]
endef

.PHONY: help
help: ## Print the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build every binary into build/bin
	go build ./...
	go build -o build/bin/ ./cmd/...

.PHONY: test
test: ## Run every test that needs no broker
	$(call suite,test,go test -timeout 20m $$(go list ./... | grep -vE '$(BROKER)'))

.PHONY: mutants
mutants: ## Break each rule by hand and see that the tests notice
	$(call suite,mutants,go test -count=1 -timeout 1h -tags mutants ./test/mutants)

.PHONY: e2e
e2e: ## Run the tests on a real Kafka broker (KAFKA_BOOTSTRAP_SERVERS, Docker, or Java and Maven)
	$(call suite,e2e,go test -p 1 -count=1 -timeout 15m $$(go list ./... | grep -E '$(BROKER)'))
	$(call suite,real-broker,go test -p 1 -count=1 -timeout 15m -tags realbroker -run '^TestRealBroker' $(BESIDE))

.PHONY: race
race: ## Run what is concurrent under the race detector
	$(call suite,race,go test -race -short $$(go list ./... | grep -E '$(CONCURRENT)'))

.PHONY: check
check: fmt vet lint scripts generated containers test race e2e ## Run all that CI runs

.PHONY: fmt
fmt: ## Say which files gofmt would change
	$(call suite,fmt,files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard --deduplicate '*.go')) && echo "$$files" && [ -z "$$files" ])

.PHONY: vet
vet: ## Run go vet
	$(call suite,vet,go vet -tags realbroker$(comma)mutants ./...)

.PHONY: lint
lint: $(LINT) ## Run golangci-lint
	$(call suite,lint,$(LINT) run ./... && cd test/containers && ../../$(LINT) run --config ../../.golangci.yml ./...)

$(LINT):
	GOBIN=$(CURDIR)/build/tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv build/tools/golangci-lint $@

.PHONY: scripts
scripts: ## Run shellcheck over the scripts, where it is installed
	$(call suite,scripts,if command -v shellcheck >/dev/null; then shellcheck $(SCRIPTS); else echo 'shellcheck is not installed' && [ -z "$${CI:-}" ]; fi)

.PHONY: generate
generate: ## Write the generated files anew
	go generate ./...

# Compares the work tree with itself, so that it also works with uncommitted changes.
.PHONY: generated
generated: ## Check that generated files are current
	$(call suite,generated,state() { git diff HEAD; git status --porcelain; }; before=$$(state) && go generate ./... && \
		{ [ "$$before" = "$$(state)" ] || { git status --short; echo 'generated files were not current: commit what has changed'; false; }; })

.PHONY: containers
containers: ## Check the nested module for Docker; its test needs a daemon
	$(call suite,containers,cd test/containers && go vet ./... && go test ./...)

.PHONY: bench
bench: ## Run the benchmarks that need no broker (BENCH=pattern)
	go test -run '^$$' -bench '$(BENCH)' -benchmem $$(go list ./... | grep -vE '$(BROKER)')

.PHONY: pgo
pgo: build ## Take the profile anew that the processor is built with, on a local Kafka broker
	servers=$$($(KAFKA) start); export KAFKA_BOOTSTRAP_SERVERS=$${servers#*=}; mkdir -p build/pgo; \
	for work in 'catch-up --settled=false' catch-up late-heavy; do \
		build/bin/highwater bench --workload $$work --events 1000000 --verify=false --floor=false --profile "build/pgo/$${work// /}"; \
	done; \
	go tool pprof -proto build/pgo/*/processor-1.pprof > cmd/processor/default.pgo

.PHONY: bench-kafka
bench-kafka: build ## Measure the whole pipeline on a local Kafka broker (BENCHFLAGS)
	servers=$$($(KAFKA) start); KAFKA_BOOTSTRAP_SERVERS=$${servers#*=} build/bin/highwater bench $(BENCHFLAGS)

.PHONY: fuzz
fuzz: ## Fuzz every target (FUZZTIME each)
	grep -rlE '^func Fuzz' --include='*_test.go' cmd pkg schemas | xargs -r -n 1 dirname | sort -u | while read -r dir; do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$dir"/*_test.go | cut -d ' ' -f 2); do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$dir"; \
		done; \
	done

.PHONY: nightly
nightly: ## Run what takes long: everything under race and repeated, long fuzzing
	$(call suite,nightly-race,go test -race -timeout 2h $$(go list ./... | grep -vE '$(BROKER)'))
	$(call suite,nightly-repeat,go test -count=$(REPEAT) -timeout 2h $$(go list ./... | grep -vE '$(BROKER)'))
	$(call suite,nightly-e2e,go test -p 1 -count=$(REPEAT) -timeout 2h $$(go list ./... | grep -E '$(BROKER)'))
	$(call suite,nightly-spending,E2E_SPENDING=2m go test -count=1 -timeout 1h -run '^TestSpending' ./test/e2e)
	$(call suite,nightly-real-broker,go test -p 1 -count=$(REPEAT) -timeout 2h -tags realbroker -run '^TestRealBroker' $(BESIDE))
	$(MAKE) --no-print-directory mutants
	$(call suite,nightly-fuzz,$(MAKE) --no-print-directory fuzz FUZZTIME=10m)

.PHONY: kafka
kafka: ## Start a real local Kafka broker on 127.0.0.1:9092 (Java and Maven, no Docker)
	$(KAFKA) start

.PHONY: kafka-stop
kafka-stop: ## Stop that broker; its data stays in build/kafka
	$(KAFKA) stop

.PHONY: clean
clean: kafka-stop ## Delete everything that was made here
	rm -rf build
