# Everything starts from here; each target sets up what it needs.
# Prerequisites: git, make, and Python 3.11+ with venv.

SHELL := /bin/bash
.DEFAULT_GOAL := help
BUILT := .aws-sam/build/template.yaml

include tools.mk

.PHONY: help run demo test check bench fuzz mutants seals references conformance screenshots build deploy deploy-scenarios rollback adopt local digest \
	image release-check sbom audit

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## / { printf "%-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNS) ## serve on http://127.0.0.1:8081 with the development ring
	@exec .venv/bin/python -m handlers.local

demo: $(SYNCED) $(TEMPORAL_READY) ## run encrypted orders on a real Temporal, to look at in its Web UI
	@PATH="$$TOP/$(TOOLS)/bin:$$PATH" exec .venv/bin/python -m examples.orders.demo $(DEMO)

# Two files at a time: the rigs of one file are shared by its tests.
PYTEST = $(RUN) pytest --numprocesses 2 --dist loadfile
test: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## run every test
	$(PYTEST)

check: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## run lint, types and tests, as CI does
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(PYTEST)

# Each suite writes its section of docs/performance.md.
SUITE ?= speed
suite-speed = $(BENCH)/bin/python -m benchmarks --write && $(RUN) python -m benchmarks.invocation --write
suite-cold = $(RUN) python -m benchmarks.cold_start --write
suite-burst = $(RUN) python -m benchmarks.burst --write && $(RUN) python -m benchmarks.throttled --write
suite-namespaces = $(RUN) python -m benchmarks.many_namespaces --write
suite-servers = $(BENCH)/bin/python -m benchmarks.http_servers --write
suite-load = $(RUN) python -m benchmarks.endurance --write
suite-keys = $(BENCH)/bin/python -m benchmarks.keys --write
suite-memory = $(BENCH)/bin/python -m benchmarks.memory --write
suite-instructions = $(BENCH)/bin/python -m benchmarks.instructions --write

bench: $(BENCH_READY) $(SYNCED) ## measure: SUITE=speed, cold, burst, namespaces, keys, load, memory...
	$(or $(suite-$(SUITE)),$(error There is no suite $(SUITE)))

bench-%:
	@$(MAKE) --no-print-directory bench SUITE=$*

fuzz: $(SYNCED) ## send a million hostile bodies and 250,000 events
	FUZZ=1000000 $(RUN) pytest --timeout 7200 tests/handlers/server/test_fuzz.py

mutants: $(SYNCED) ## put faults into the code: the tests must find each; MODULE=...
	$(RUN) python -m tests.mutants $(MODULE)

seals: $(SYNCED) ## encrypt a million times: no nonce may come twice
	SEALS=1000000 $(RUN) pytest --timeout 7200 tests/codec/test_encryption.py

references: $(SYNCED) ## write docs/settings.md, policy.md and cli.md from the code
	$(RUN) python -m tools.references

conformance: $(SYNCED) ## check the Codec Servers that run here, and write docs/conformance.md
	$(RUN) python -m tools.conformance

screenshots: $(SYNCED) $(TEMPORAL_READY) $(UI_SERVER_READY) ## take the docs' pictures of the Web UI
	$(RUN) python -m tests.screenshots

build: $(BUILT) ## build the Lambda functions' artifacts (sam build)
	@"$(PYTHON)" -m artifact summary .aws-sam/build/*Function

ENVIRONMENT ?= default
deploy: $(BUILT) $(SYNCED) ## deploy to AWS; ENVIRONMENT=prod selects it in samconfig.toml, YES=1 confirms
	@$(RUN) python -m artifact.deploy $(SAM) $(ENVIRONMENT)

deploy-scenarios: $(SYNCED) ## deploy, fail, upgrade and adopt on an emulator, all combinations
	SCENARIOS=all $(RUN) pytest --timeout 900 tests/deploy

rollback: $(SYNCED) | $(SAM_READY) ## deploy once more what the last `make deploy` replaced
	@$(RUN) python -m artifact.deploy $(SAM) $(ENVIRONMENT) --rollback

adopt: $(SYNCED) ## find what a deleted stack left behind, for the next `make deploy`
	@$(RUN) python -m artifact.adopt $(ENVIRONMENT)

local: $(BUILT) ## serve the built functions on http://127.0.0.1:3000, with the SAM CLI and Docker
	SAM_CLI_TELEMETRY=0 $(SAM) local start-api

digest: $(BUILT) ## print the artifacts' digests: the same sources give the same
	@"$(PYTHON)" -m artifact digest .aws-sam/build/*Function

IMAGE ?= temporal-codec-server
image: $(SYNCED) $(RELEASE_READY) ## build the container image with Docker, and its bill of materials
	docker build --tag $(IMAGE) $(IMAGE_ARGS) .
	@$(RUN) python -m tools.sbom_image $(IMAGE)

release-check: $(SYNCED) $(RELEASE_READY) $(TEMPORAL_READY) ## build sdist and wheel, and try them as a user
	@$(RUN) python -m tools.release_check

sbom: $(BUILT) $(SYNCED) $(RELEASE_READY) ## write bills of materials (CycloneDX) to dist/
	@$(RUN) python -m tools.sbom .aws-sam/build/*Function

audit: $(SYNCED) $(RELEASE_READY) ## look for published vulnerabilities of what the lock files name
	@$(RUN) python -m tools.audit $(AUDIT)

$(BUILT): template.yaml samconfig.toml Makefile tools.mk uv.lock \
		$(shell find codec handlers artifact -name '*.py') | $(UV_READY) $(SAM_READY)
	SAM_CLI_TELEMETRY=0 $(SAM) build
	@touch $@

# `sam build` calls these, with ARTIFACTS_DIR. It does not tell the processor: the template does.
.PHONY: build-DecodeFunction build-EncodeFunction build-RotationFunction build-PreflightFunction

PROCESSOR = $(shell sed -nE 's/^ +Architectures: \[(.*)\]$$/\1/p' template.yaml)
PLATFORM = $(PROCESSOR:arm64=aarch64)-manylinux_2_28
FINISH = "$(PYTHON)" -m artifact finish "$$ARTIFACTS_DIR" template.yaml
PREFLIGHT := __init__ preflight server/__init__ server/cors server/events server/page \
	settings/__init__ settings/cors settings/environ settings/leaks settings/hosting settings/table

build-DecodeFunction build-EncodeFunction build-RotationFunction: | $(UV_READY)
	set -o pipefail; \
	$(UV) export --frozen --quiet --no-default-groups --group server --no-emit-project \
	| $(UV) pip install --quiet --target "$$ARTIFACTS_DIR" --python "$(PYTHON)" \
		--python-version 3.13 --python-platform $(PLATFORM) --only-binary :all: --require-hashes -r -
	cp -R codec/temporal_codec handlers "$$ARTIFACTS_DIR"
	cd "$$ARTIFACTS_DIR" && rm -rf handlers/local.py handlers/server/{connection,console,lines,listen,prometheus,tls,traces}.py \
		temporal_codec/cli temporal_codec/nexus*.py \
		temporal_codec/plugin.py temporal_codec/temporal.py
	$(FINISH)

build-PreflightFunction:
	mkdir -p "$$ARTIFACTS_DIR/handlers/server" "$$ARTIFACTS_DIR/handlers/settings"
	for module in $(PREFLIGHT); do \
		cp handlers/$$module.py "$$ARTIFACTS_DIR/handlers/$$module.py"; done
	$(FINISH)
