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
RUN := $(UV) run --frozen --no-sync
# Each stamp stands for a set of installed packages; a smaller set takes nothing away.
RUNS := .venv/.runs
SYNCED := .venv/.synced

.PHONY: help run test check

help: ## what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

run: $(RUNS) ## serve on http://127.0.0.1:8081 with the development ring
	@exec .venv/bin/python -m handlers.local

test: $(SYNCED) ## every test
	$(RUN) pytest

check: $(SYNCED) ## lint, types and tests: what CI runs
	$(RUN) ruff format --check .
	$(RUN) ruff check .
	$(RUN) mypy
	$(RUN) pytest

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
