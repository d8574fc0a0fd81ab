# Installs what the Makefile calls. Every tool has a lock file with hashes in tools/, which
# `make pin` renews; a stamp's name is the lock's checksum, so a new lock installs anew.

TOOLS := .tools
# For the shell, which must not read what is in a folder's name.
export TOP := $(CURDIR)
stamp = $(TOOLS)/$1/.$(firstword $(shell cksum < tools/$1.txt))
go-stamp = $(TOOLS)/$2/.$1-$(firstword $(shell cat tools/$1/go.mod tools/$1/go.sum | cksum))

# Tools that bring certificates of their own trust those of the system, as a company's proxy needs.
SYSTEM_CA := $(or $(SSL_CERT_FILE),$(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt \
	/etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem)))
JAVA_CA := $(firstword $(wildcard /etc/ssl/certs/java/cacerts /etc/pki/java/cacerts))
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
ifneq ($(SYSTEM_CA),)
export PIP_CERT ?= $(SYSTEM_CA)
export REQUESTS_CA_BUNDLE ?= $(SYSTEM_CA)
export AWS_CA_BUNDLE ?= $(SYSTEM_CA)
export NODE_EXTRA_CA_CERTS ?= $(SYSTEM_CA)
endif
ifneq ($(JAVA_CA),)
export MAVEN_OPTS := -Djavax.net.ssl.trustStore=$(JAVA_CA) $(MAVEN_OPTS)
endif

# 3.13 is what runs on Lambda; any version from 3.11 on does for the rest. A shim may not answer.
ifndef PYTHON
PYTHON := $(shell for python in python3.13 "$$HOME"/.pyenv/versions/3.13.*/bin/python3.13 \
	python3 python3.14 python3.12 python3.11; do \
	"$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& command -v "$$python" && break; done)
endif
# Distributions build their Python with profiles, which makes it up to a third faster.
BENCH_PYTHON ?= $(or $(firstword $(wildcard /usr/bin/python3.1[1-9])),$(PYTHON))

UV := $(TOOLS)/uv/bin/uv
UV_READY := $(call stamp,uv)
RUN := $(UV) run --frozen --no-sync
# Each stamp stands for a set of installed packages; a smaller set takes nothing away.
RUNS := .venv/.runs
SYNCED := .venv/.synced
BENCH := $(TOOLS)/bench
BENCH_READY := $(BENCH)/.synced
SAM := $(TOOLS)/sam/bin/sam
SAM_READY := $(call stamp,sam)
CLOUDFORMATION_READY := $(call stamp,cloudformation)
LINT_READY := $(call stamp,template-lint)
RELEASE_READY := $(call stamp,release)
RUNTIME_READY := $(call stamp,lambda-runtime)
WORKERS_READY := $(call stamp,workers)
# Temporal's development server and command line are one program.
TEMPORAL := $(TOOLS)/bin/temporal
TEMPORAL_READY := $(call go-stamp,temporal,bin)
# A newer Web UI than the development server's.
UI_SERVER := $(TOOLS)/ui-server
UI_SERVER_MODULE := github.com/temporalio/ui-server/v2
UI_SERVER_READY := $(call go-stamp,ui-server,ui-server)
# A small Debian with Lambda's Python, and beside it in python.tar the same without a shell.
DEBIAN := $(TOOLS)/debian.tar
COMPOSE_READY := $(call go-stamp,compose,compose)
LAMBDA_IMAGE := $(TOOLS)/lambda-image.tar
INTEROP := $(TOOLS)/interop
GO_READY := $(INTEROP)/go/.ready
TYPESCRIPT_READY := $(INTEROP)/typescript/.ready
JAVA_READY := $(INTEROP)/java/.ready

.PHONY: sam cloudformation template-lint release-tools workers compose lambda-runtime lambda-image \
	temporal ui-server pin \
	interop-go interop-typescript interop-java

$(UV_READY):
	@test -n "$(PYTHON)" || { echo "Python 3.11+ with venv is required." >&2; exit 1; }
	@rm -rf $(TOOLS)/uv
	"$(PYTHON)" -m venv $(TOOLS)/uv
	$(UV:uv=python) -m pip install --quiet --disable-pip-version-check --only-binary :all: \
		--require-hashes --requirement tools/uv.txt
	@touch $@

$(RUNS): uv.lock pyproject.toml | $(UV_READY)
	$(UV) sync --frozen --quiet --inexact --no-default-groups --group build --group server \
		--group local --python "$(PYTHON)"
	@touch $@

$(SYNCED): uv.lock pyproject.toml | $(UV_READY)
	$(UV) sync --frozen --quiet --python "$(PYTHON)"
	@touch $@ $(RUNS)

$(BENCH_READY): uv.lock pyproject.toml | $(UV_READY)
	UV_PROJECT_ENVIRONMENT=$(BENCH) $(UV) sync --frozen --quiet --group servers --python "$(BENCH_PYTHON)"
	@touch $@

sam: $(SAM_READY) ## install the SAM CLI
cloudformation: $(CLOUDFORMATION_READY) ## install the CloudFormation that tests deploy to
template-lint: $(LINT_READY) ## install the linters of CloudFormation templates

# cfn-guard-rs has a build for Python 3.11 alone.
$(LINT_READY): PYTHON_HERE = $(or $(shell ls "$$HOME"/.pyenv/versions/3.11.*/bin/python3.11 \
	2>/dev/null | tail -n 1),3.11)
$(SAM_READY) $(LINT_READY) $(RELEASE_READY) $(CLOUDFORMATION_READY): | $(UV_READY)
	$(UV) venv --quiet --clear --python "$(or $(PYTHON_HERE),$(PYTHON))" $(@D)
	$(UV) pip install --quiet --python $(@D)/bin/python --only-binary :all: --require-hashes \
		--requirement tools/$(notdir $(@D)).txt
	@touch $@

lambda-runtime: $(BUILT) $(RUNTIME_READY) ## install the Python side of Lambda's runtime

$(RUNTIME_READY): | $(UV_READY)
	rm -rf $(@D)
	$(UV) pip install --quiet --target $(@D) --python "$(PYTHON)" --python-version 3.13 \
		--only-binary :all: --require-hashes --requirement tools/lambda-runtime.txt
	@touch $@

workers: $(WORKERS_READY) ## install what workers need, for each Python that is here

$(WORKERS_READY): | $(UV_READY)
	@rm -rf $(@D) && mkdir -p $(@D)
	tools/worker-environments $(UV) $(@D) tools/workers.txt
	@touch $@

lambda-image: $(LAMBDA_IMAGE) ## make an image for `sam local`, as root, with debootstrap

$(DEBIAN):
	@mkdir -p $(TOOLS)
	tools/debian-images $(TOOLS) $(SYSTEM_CA)

# The Debian, with Lambda's runtime for its Python: it stands in for AWS's own image, which not
# every network can reach.
$(LAMBDA_IMAGE): $(RUNTIME_READY) | $(DEBIAN)
	rm -rf $(TOOLS)/lambda-image
	mkdir -p $(TOOLS)/lambda-image/var/runtime $(TOOLS)/lambda-image/var/task
	cp -r $(TOOLS)/lambda-runtime/. $(TOOLS)/lambda-image/var/runtime
	printf '#!/bin/sh\nexport PYTHONPATH=/var/runtime\nexec %s -m awslambdaric "$$_HANDLER"\n' \
		/usr/bin/python3.13 > $(TOOLS)/lambda-image/var/runtime/bootstrap
	chmod +x $(TOOLS)/lambda-image/var/runtime/bootstrap
	cp $(DEBIAN) $@.part
	tar --append -C $(TOOLS)/lambda-image -f $@.part ./var/runtime ./var/task
	rm -rf $(TOOLS)/lambda-image
	mv $@.part $@

temporal: $(TEMPORAL_READY) ## install Temporal's development server and CLI, with Go
	@test -x $(TEMPORAL) || { echo "Install Go, or the CLI: https://docs.temporal.io/cli#install" >&2; exit 1; }
	@printf 'Temporal is here: %s\nTo call it `temporal`: export PATH=%q:$$PATH\n' \
		"$$TOP/$(TEMPORAL)" "$$TOP/$(TOOLS)/bin"

compose: $(COMPOSE_READY) ## install what checks Compose files, with Go

$(COMPOSE_READY):
	@rm -rf $(@D) && mkdir -p $(@D)
	@if tools/build-with-go compose "$$TOP/$(@D)/compose"; then touch $@; fi

release-tools: $(RELEASE_READY) ## install what checks a release

ui-server: $(UI_SERVER_READY) ## install a newer Web UI, with Go

# Without Go the tests use the `temporal` on the PATH, or skip what needs it.
$(TEMPORAL_READY):
	@mkdir -p $(@D) && rm -f $(@D)/.temporal-*
	@if tools/build-with-go temporal "$$TOP/$(TEMPORAL)"; then touch $@; fi

# Its template of settings is part of the source, not of the program.
$(UI_SERVER_READY):
	@rm -rf $(UI_SERVER) && mkdir -p $(UI_SERVER)/config
	@if tools/build-with-go ui-server "$$TOP/$(UI_SERVER)/ui-server"; then \
		cp "$$(cd tools/ui-server && go list -m -f '{{.Dir}}' $(UI_SERVER_MODULE))"/config/docker.yaml \
			$(UI_SERVER)/config && touch $@; fi

interop-go: $(GO_READY) ## build the interop programs in Go
interop-typescript: $(TYPESCRIPT_READY) ## build the interop programs in TypeScript
interop-java: $(JAVA_READY) ## build the interop programs in Java

# The programs of tests/interop around the ring readers of examples.
$(GO_READY): $(wildcard examples/go/*.go examples/go/go.* tests/interop/go/go.* \
		tests/interop/go/*/*.go)
	@mkdir -p $(@D)
	cd tests/interop/go && go build -mod=readonly -o "$$TOP/$(@D)/" ./...
	@touch $@

# In a copy, since packages are installed and files are made beside the source.
$(INTEROP)/typescript/node_modules/.ready: examples/typescript/package.json \
		examples/typescript/package-lock.json
	@mkdir -p $(INTEROP)/typescript
	cp $^ $(INTEROP)/typescript
	cd $(INTEROP)/typescript && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(TYPESCRIPT_READY): $(INTEROP)/typescript/node_modules/.ready examples/typescript/tsconfig.json \
		$(wildcard examples/typescript/src/* tests/interop/typescript/*)
	@rm -rf $(@D)/src $(@D)/lib
	@mkdir -p $(@D)/src
	cp $(filter %/tsconfig.json,$^) $(@D)
	cp $(filter %.ts,$^) $(@D)/src
	cd $(@D) && npx --no-install tsc
	@touch $@

$(JAVA_READY): examples/java/pom.xml tests/interop/java/jars.sha256 \
		$(wildcard examples/java/src/*/java/ringcodec/* \
		tests/interop/java/src/main/java/interop/*)
	@rm -rf $(@D)/source
	@mkdir -p $(@D)/source
	cp -r examples/java/pom.xml examples/java/src $(@D)/source
	cp -r tests/interop/java/src $(@D)/source
	mvn --batch-mode --quiet --file $(@D)/source/pom.xml -Dbuilt="$$TOP/$(@D)" \
		-Dmaven.repo.local="$$TOP/$(INTEROP)/m2" \
		-Dvectors="$$TOP/tests/vectors" package
	tools/check-jars $(INTEROP)/m2 tests/interop/java/jars.sha256
	@touch $@

# The usual libraries as a usual build leaves them: `make bench SUITE=cold` compares with them.
.aws-sam/reference: pyproject.toml uv.lock | $(UV_READY)
	rm -rf $@
	set -o pipefail; \
	$(UV) export --frozen --quiet --only-group reference \
	| $(UV) pip install --quiet --target $@ --python "$(PYTHON)" --python-version 3.13 \
		--python-platform $(PLATFORM) --only-binary :all: --require-hashes -r -
	@touch $@

COMPILE = $(UV) pip compile --quiet --universal --no-emit-index-url --generate-hashes \
	--custom-compile-command "make pin" --python-version
pin: $(UV_READY) ## renew the lock files in tools/: edit tools/NAME.in first
	cd tools && for each in uv sam template-lint release workers; do \
		../$(COMPILE) 3.11 $$each.in --output-file $$each.txt || exit 1; done
	cd tools && for each in lambda-runtime cloudformation; do \
		../$(COMPILE) 3.13 $$each.in --output-file $$each.txt || exit 1; done
	rm -rf $(INTEROP)/m2 && PIN=1 $(MAKE) --always-make interop-java
