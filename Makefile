# Everything a developer does with Auditferry. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

GO ?= go
TOOL = $(GO) run ./dev/tools/get
PKG ?= ./...

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Get everything that development needs (minutes the first time, then nothing)
	@$(TOOL) temporal versitygw fake-gcs-server azurite maildev oidc-provider toxiproxy postgres chromium > /dev/null
	@$(GO) mod download

.PHONY: dev
dev: ## Start everything on this machine, with an organization in it; Ctrl-C ends it
	@$(GO) build -o .dev/bin/dev ./dev && exec .dev/bin/dev up # go run calls Ctrl-C an error

.PHONY: demo
demo: ## Play the whole story without a person and print what was delivered
	@$(GO) run ./dev demo

.PHONY: chaos
chaos: setup ## Kill and disturb everything for a quarter of an hour, then count what was delivered (ARGS="-seed 7")
	@$(GO) build -o .dev/bin/dev ./dev && .dev/bin/dev chaos $(ARGS)

.PHONY: test
test: setup ## Run all tests, against real servers (PKG=./schemas/... for some)
	$(GO) test -timeout 30m $(PKG)

.PHONY: test-replay
test-replay: ## Replay the recorded workflow histories on the present code
	$(GO) test ./workflows/... -run Replay -count=1

.PHONY: lint
lint: ## Check style, import rules and the determinism of workflows
	@linter=$$($(TOOL) golangci-lint) && echo "golangci-lint run" && $$linter run
	@checker=$$($(TOOL) workflowcheck) && echo "workflowcheck ./workflows/..." && $$checker -config dev/tools/workflowcheck.yaml ./workflows/...

.PHONY: generate
generate: ## Make generated code anew
	$(GO) generate ./...

.PHONY: build
build: ## Build the programs into bin/
	$(GO) build -o bin/ ./api ./worker ./cmd/auditferry

.PHONY: screenshots
screenshots: setup ## Write a picture of every page of the portal into .dev/screenshots
	@$(GO) run ./dev screenshots

.PHONY: bench
bench: setup ## Measure exports and ingest against the floor and other ways (BENCH_EVENTS=200000 to try it)
	@$(GO) build -o .dev/bin/bench ./bench && exec .dev/bin/bench $(if $(BENCH_EVENTS),-events $(BENCH_EVENTS)) $(BENCH_FLAGS)

.PHONY: clean
clean: ## Remove what was built and the local stack's data; tools stay (make distclean)
	@$(GO) run ./dev clean
	rm -rf bin

.PHONY: distclean
distclean: clean ## Remove the downloaded and built tools too
	rm -rf .dev
