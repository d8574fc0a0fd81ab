# Everything starts from here; each target sets up what it needs.
# A newcomer has git, make and a Python of 3.11 or later with venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help

TOOLS := .tools
UV := $(or $(shell command -v uv 2>/dev/null),$(TOOLS)/uv/bin/uv)
# 3.13 is what runs on Lambda; any other from 3.11 on does for the rest. A shim may not answer.
PYTHON ?= $(shell for python in python3.13 $(HOME)/.pyenv/versions/3.13.*/bin/python3.13 \
	python3 python3.14 python3.12 python3.11; do \
	$$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v $$python && break; done)
# Speed is told with the system's Python, where there is one: those are built with profiles, and what
# a version manager compiled on the spot may take half as long again.
BENCH_PYTHON ?= $(firstword $(wildcard /usr/bin/python3.1[1-9]) $(PYTHON))
BENCH := $(TOOLS)/bench
BENCH_READY := $(BENCH)/.synced
RUN := $(UV) run --frozen --no-sync
# Each stamp stands for a set of installed packages; a smaller set takes nothing away.
RUNS := .venv/.runs
SYNCED := .venv/.synced
SAM_VERSION := 1.170.0
SAM := $(TOOLS)/sam/bin/sam
SAM_READY := $(TOOLS)/sam/.$(SAM_VERSION)
# The interpreter's side of the Lambda runtime, which the tests run under the SAM CLI's emulator.
RUNTIME_VERSION := 4.2.2
RUNTIME_READY := $(TOOLS)/lambda-runtime/.$(RUNTIME_VERSION)
# They look at the template as it is expanded, in an environment of their own.
LINTERS := checkov==3.3.30 cfn-lint==1.58.0 cfn-lint-serverless==0.3.6 cfn-guard-rs==0.3.3
LINT_READY := $(TOOLS)/template-lint/.$(subst ==,-,$(subst $(subst ,, ),_,$(LINTERS)))
BUILT := .aws-sam/build/template.yaml
LAMBDA_IMAGE := $(TOOLS)/lambda-image.tar
# Temporal's development server and command line, one program. Later tags do not install this way.
TEMPORAL_VERSION := 1.5.1
TEMPORAL := $(TOOLS)/bin/temporal
TEMPORAL_READY := $(TOOLS)/bin/.temporal-$(TEMPORAL_VERSION)
# A newer Web UI than the development server's, and the file that makes settings of variables.
UI_SERVER_VERSION := 2.55.0
UI_SERVER := $(TOOLS)/ui-server
UI_SERVER_READY := $(UI_SERVER)/.$(UI_SERVER_VERSION)
UI_SERVER_MODULE := github.com/temporalio/ui-server/v2

# Programs of ours on the other official SDKs, in the format of docs/format.md.
INTEROP := $(TOOLS)/interop
GO_READY := $(INTEROP)/go/.ready
TYPESCRIPT_READY := $(INTEROP)/typescript/.ready
JAVA_READY := $(INTEROP)/java/.ready

.PHONY: help run test check screenshots bench bench-cold bench-burst bench-memory \
	bench-instructions fuzz mutants seals build deploy local digest sam template-lint \
	lambda-runtime lambda-image temporal ui-server demo interop-go interop-typescript interop-java

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(RUNS) ## serve on http://127.0.0.1:8081 with the development ring
	@exec .venv/bin/python -m handlers.local

demo: $(SYNCED) $(TEMPORAL_READY) ## encrypted orders on a real Temporal, to look at in its Web UI
	@PATH="$(CURDIR)/$(TOOLS)/bin:$$PATH" .venv/bin/python -m examples.orders.demo $(DEMO)

test: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## every test
	$(RUN) pytest

check: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## lint, types and tests: what CI runs
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) pytest

bench: $(BENCH_READY) $(SYNCED) ## measure, and write docs/performance.md
	$(BENCH)/bin/python -m benchmarks --write
	$(RUN) python -m benchmarks.invocation --write

bench-cold: $(SYNCED) ## measure cold starts, and write docs/performance.md
	$(RUN) python -m benchmarks.cold_start --write

bench-burst: $(SYNCED) ## measure what a page of the Web UI asks, and write docs/performance.md
	$(RUN) python -m benchmarks.burst --write

bench-memory: $(BENCH_READY) ## measure peaks and a soak, and write docs/performance.md
	$(BENCH)/bin/python -m benchmarks.memory --write

bench-instructions: $(BENCH_READY) ## count a decode's instructions, and write docs/performance.md
	$(BENCH)/bin/python -m benchmarks.instructions --write

fuzz: $(SYNCED) ## a million hostile bodies, and 250,000 events
	FUZZ=1000000 $(RUN) pytest --timeout 7200 tests/handlers/server/test_fuzz.py

screenshots: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## of the Web UI, for the docs
	$(RUN) python -m tests.screenshots

mutants: $(SYNCED) ## faults put into what must be right: the tests must find each; MODULE=...
	$(RUN) python -m tests.mutants $(MODULE)

seals: $(SYNCED) ## a million seals: no nonce may come twice
	SEALS=1000000 $(RUN) pytest --timeout 7200 tests/codec/test_encryption.py

$(TOOLS)/uv/bin/uv:
	@test -n "$(PYTHON)" || { echo "A Python of 3.11 or later with venv is needed." >&2; exit 1; }
	$(PYTHON) -m venv $(TOOLS)/uv
	$(TOOLS)/uv/bin/python -m pip install --quiet --disable-pip-version-check uv

$(RUNS): uv.lock pyproject.toml | $(UV)
	$(UV) sync --frozen --quiet --inexact --no-default-groups --group server --group local \
		--python $(PYTHON)
	@touch $@

$(SYNCED): uv.lock pyproject.toml | $(UV)
	$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@ $(RUNS)

$(BENCH_READY): uv.lock pyproject.toml | $(UV)
	UV_PROJECT_ENVIRONMENT=$(BENCH) $(UV) sync --frozen --quiet --python $(BENCH_PYTHON)
	@touch $@

build: $(BUILT) ## the Lambda functions' artifacts (sam build)

ENVIRONMENT ?= default
deploy: $(BUILT) $(SYNCED) ## to AWS, with an environment of samconfig.toml: ENVIRONMENT=prod
	$(RUN) python -m artifact.deploy $(SAM) $(ENVIRONMENT)

local: $(BUILT) ## the built functions on http://127.0.0.1:3000, under the SAM CLI and Docker
	SAM_CLI_TELEMETRY=0 $(SAM) local start-api

digest: $(BUILT) ## of the artifacts: the same sources give the same
	@$(PYTHON) -m artifact digest .aws-sam/build/*Function

sam: $(SAM_READY)

template-lint: $(LINT_READY)

# One of them has a build for Python 3.11 alone.
$(LINT_READY): | $(UV)
	rm -rf $(TOOLS)/template-lint
	$(UV) venv --quiet --python $(or $(wildcard $(HOME)/.pyenv/versions/3.11.*/bin/python3.11),3.11) \
		$(TOOLS)/template-lint
	$(UV) pip install --quiet --only-binary :all: --python $(TOOLS)/template-lint/bin/python $(LINTERS)
	@touch $@

lambda-runtime: $(BUILT) $(RUNTIME_READY)

$(BUILT): template.yaml samconfig.toml Makefile uv.lock \
		$(shell find codec handlers artifact -name '*.py') | $(UV) $(SAM_READY)
	SAM_CLI_TELEMETRY=0 $(SAM) build
	@touch $@

$(SAM_READY): | $(UV)
	rm -rf $(TOOLS)/sam
	$(UV) venv --quiet --python $(PYTHON) $(TOOLS)/sam
	$(UV) pip install --quiet --python $(TOOLS)/sam/bin/python aws-sam-cli==$(SAM_VERSION)
	@touch $@

$(RUNTIME_READY): | $(UV)
	rm -rf $(TOOLS)/lambda-runtime
	$(UV) pip install --quiet --target $(TOOLS)/lambda-runtime --python $(PYTHON) \
		--python-version 3.13 --only-binary :all: awslambdaric==$(RUNTIME_VERSION)
	@touch $@

lambda-image: $(LAMBDA_IMAGE)

# A small Debian whose Python is Lambda's, with Lambda's runtime for it: what `sam local` takes for
# AWS's own image where that cannot be had. It wants root, for debootstrap.
$(LAMBDA_IMAGE): $(RUNTIME_READY)
	rm -rf $(TOOLS)/lambda-image
	debootstrap --variant=minbase --include=python3 trixie $(TOOLS)/lambda-image >/dev/null
	mkdir -p $(TOOLS)/lambda-image/var/runtime $(TOOLS)/lambda-image/var/task
	cp -r $(TOOLS)/lambda-runtime/. $(TOOLS)/lambda-image/var/runtime
	printf '#!/bin/sh\nexport PYTHONPATH=/var/runtime\nexec %s -m awslambdaric "$$_HANDLER"\n' \
		/usr/bin/python3.13 > $(TOOLS)/lambda-image/var/runtime/bootstrap
	chmod +x $(TOOLS)/lambda-image/var/runtime/bootstrap
	tar -C $(TOOLS)/lambda-image -cf $@.part .
	rm -rf $(TOOLS)/lambda-image
	mv $@.part $@

temporal: $(TEMPORAL)

$(TEMPORAL): $(TEMPORAL_READY)

# Without Go the tests use the one on the PATH, or leave out what needs it.
$(TEMPORAL_READY):
	@if ! command -v go >/dev/null; then \
		echo "There is no Go to install Temporal $(TEMPORAL_VERSION) with." >&2; \
	elif GOBIN=$(CURDIR)/$(TOOLS)/bin go install \
		github.com/temporalio/cli/cmd/temporal@v$(TEMPORAL_VERSION); then \
		touch $@; \
	else \
		echo "Temporal $(TEMPORAL_VERSION) could not be installed." >&2; \
	fi

# What our cold start is measured beside: the usual libraries, as a usual build leaves them.
.aws-sam/reference: pyproject.toml uv.lock | $(UV)
	rm -rf $@
	set -o pipefail; \
	$(UV) export --frozen --quiet --only-group reference \
	| $(UV) pip install --quiet --target $@ --python $(PYTHON) --python-version 3.13 \
		--python-platform $(PLATFORM) --only-binary :all: --require-hashes -r -
	@touch $@

ui-server: $(UI_SERVER_READY)

# Its template of settings is part of the source, not of the program.
$(UI_SERVER_READY):
	@if ! command -v go >/dev/null; then \
		echo "There is no Go to install Temporal's Web UI $(UI_SERVER_VERSION) with." >&2; \
	elif rm -rf $(UI_SERVER) && GOBIN=$(CURDIR)/$(UI_SERVER) go install \
		$(UI_SERVER_MODULE)/cmd/server@v$(UI_SERVER_VERSION) \
		&& mv $(UI_SERVER)/server $(UI_SERVER)/ui-server \
		&& mkdir $(UI_SERVER)/config && cp $$(go env \
		GOMODCACHE)/$(UI_SERVER_MODULE)@v$(UI_SERVER_VERSION)/config/docker.yaml \
		$(UI_SERVER)/config; then \
		touch $@; \
	else \
		echo "Temporal's Web UI $(UI_SERVER_VERSION) could not be installed." >&2; \
	fi

interop-go: $(GO_READY)

$(GO_READY): $(wildcard tests/interop/go/go.* tests/interop/go/*/*.go)
	@mkdir -p $(@D)
	cd tests/interop/go && go build -mod=readonly -o $(CURDIR)/$(@D)/ ./...
	@touch $@

interop-typescript: $(TYPESCRIPT_READY)

# In a copy, since packages are installed beside the source.
$(TYPESCRIPT_READY): $(wildcard tests/interop/typescript/*)
	@mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && npx --no-install tsc
	@touch $@

interop-java: $(JAVA_READY)

$(JAVA_READY): tests/interop/java/pom.xml $(wildcard tests/interop/java/src/main/java/interop/*)
	@mkdir -p $(@D)
	mvn --batch-mode --quiet --file $< -Dbuilt=$(CURDIR)/$(@D) package
	@touch $@

# `sam build` calls these, with ARTIFACTS_DIR. It does not tell the processor: the template does.
.PHONY: build-DecodeFunction build-EncodeFunction build-RotationFunction \
	build-PreflightFunction

PROCESSOR = $(shell sed -nE 's/^ +Architectures: \[(.*)\]$$/\1/p' template.yaml)
PLATFORM = $(PROCESSOR:arm64=aarch64)-manylinux_2_28
FINISH = $(PYTHON) -m artifact finish $(ARTIFACTS_DIR) template.yaml
PREFLIGHT := __init__ preflight server/__init__ server/cors server/events \
	settings/__init__ settings/cors settings/environ

build-DecodeFunction build-EncodeFunction build-RotationFunction: | $(UV)
	set -o pipefail; \
	$(UV) export --frozen --quiet --no-default-groups --group server --no-emit-project \
	| $(UV) pip install --quiet --target $(ARTIFACTS_DIR) --python $(PYTHON) --python-version 3.13 \
		--python-platform $(PLATFORM) --only-binary :all: --require-hashes -r -
	cp -R codec/temporal_codec handlers $(ARTIFACTS_DIR)
	cd $(ARTIFACTS_DIR) && rm -rf handlers/local.py \
		temporal_codec/cli temporal_codec/plugin.py temporal_codec/temporal.py
	$(FINISH)

build-PreflightFunction:
	mkdir -p $(addprefix $(ARTIFACTS_DIR)/handlers/,server settings)
	for module in $(PREFLIGHT); do \
		cp handlers/$$module.py $(ARTIFACTS_DIR)/handlers/$$module.py; done
	$(FINISH)
