# Every target works on a fresh clone; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# What a stamp stands for is the text of the lock it was installed from, so that a changed lock installs again.
digest = $(shell cat requirements/uv.txt $(1) 2>/dev/null | sha256sum | cut -c1-16)
DEMO_STAMP := $(VENV)/stamps/demo-$(call digest,requirements/demo.txt)
DEVELOPMENT_STAMP := $(VENV)/stamps/development-$(call digest,requirements/development.txt)
# Halves the time of a password hash where there is a C compiler; in no time when it is there already.
ARGON2 = .ci/argon2 $(VENV) requirements/runtime.txt
# Server processes of the races take the rest of two cores.
TEST_WORKERS ?= 4
COMPILE = $(UV) pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links --no-config $(if $(UPGRADE),--upgrade,)

##@ Run it
.PHONY: setup
setup: $(DEMO_STAMP) ## Make .venv/ with everything that the server and the demo need
	@$(ARGON2)
	echo "$(VENV)/ is ready."

.PHONY: serve
serve: $(DEMO_STAMP) ## Migrate, then serve on PORT (5000)
	@$(ARGON2)
	exec $(PY) manage.py serve

.PHONY: argon2
argon2: $(DEMO_STAMP) ## Compile the password hash for this processor, as `make setup` does where it can
	@$(ARGON2)

.PHONY: demo
demo: $(DEMO_STAMP) ## Start a server and walk through the whole flow before your eyes
	exec $(PY) -m demo.play

##@ Work on it
.PHONY: setup-test
setup-test: $(DEVELOPMENT_STAMP) ## Add what the tests and linters need, and Chromium
	@$(ARGON2)
	.ci/chromium

.PHONY: test
test: setup-test ## Run the suite on PostgreSQL, but for what is slow (ARGS=… for pytest)
	@STEPWARD_TEST_DATABASE=postgresql $(PY) -m pytest -n $(TEST_WORKERS) -m "not slow" $(ARGS)

.PHONY: test-slow
test-slow: setup-test ## Run what is slow: killed processes, restarts, held calls, every call fuzzed
	@STEPWARD_TEST_DATABASE=postgresql $(PY) -m pytest -n $(TEST_WORKERS) -m slow $(ARGS)

.PHONY: test-sqlite
test-sqlite: setup-test ## Run the suite on SQLite
	@STEPWARD_TEST_DATABASE=sqlite $(PY) -m pytest -n $(TEST_WORKERS) $(ARGS)

.PHONY: check
check: $(DEVELOPMENT_STAMP) ## Lint, types, import arrows, migrations, deployment settings, locks
	@failed=""
	step() { echo "-- $$1"; shift; "$$@" || failed="$$failed $$1"; }
	step "ruff check" $(VENV)/bin/ruff check --quiet .
	step "ruff format" $(VENV)/bin/ruff format --quiet --check .
	step "mypy" $(VENV)/bin/mypy
	step "import-linter" $(VENV)/bin/lint-imports --no-logo --cache-dir var/cache/import-linter
	step "migrations" $(PY) manage.py makemigrations --check --dry-run
	step "check --deploy" $(PY) -m tests.support.production_settings manage.py check --deploy --fail-level WARNING
	step "locks" $(PY) requirements/freshness.py
	if [ -n "$$failed" ]; then echo "make check: failed." >&2; exit 1; fi
	echo "make check: all good."

.PHONY: format
format: $(DEVELOPMENT_STAMP) ## Let ruff format the code and sort its imports
	$(VENV)/bin/ruff check --quiet --fix-only --select I,UP .
	$(VENV)/bin/ruff format .

.PHONY: migrations
migrations: $(DEVELOPMENT_STAMP) ## Write the migrations that the models need
	$(PY) manage.py makemigrations

.PHONY: bench
bench: $(DEVELOPMENT_STAMP) ## Measure the server beside its floors and peers; writes bench/RESULTS.* (ARGS=…)
	@$(ARGON2)
	$(PY) -m bench $(ARGS)

.PHONY: hostile
hostile: $(DEVELOPMENT_STAMP) ## Ask the stateless calls 100,000 hostile things
	$(PY) -m tests.mfa.authenticatorapi.hostile $(or $(ARGS),100000)

.PHONY: compose-check
compose-check: ## Build and run the compose stack, where a Docker engine is present
	@deploy/compose-check

.PHONY: lock
lock: $(UV) ## Write requirements/*.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@$(UV) pip compile requirements/uv.in --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --no-config $(if $(UPGRADE),--upgrade,) --output-file requirements/uv.txt
	$(UV) pip compile requirements/native.in --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--no-emit-index-url --no-emit-find-links --no-config $(if $(UPGRADE),--upgrade,) --output-file requirements/native.txt
	$(COMPILE) --group test --group lint --output-file requirements/development.txt
	$(COMPILE) --group demo --constraints requirements/development.txt --output-file requirements/demo.txt
	$(COMPILE) --constraints requirements/development.txt --output-file requirements/runtime.txt
	$(COMPILE) --group otel --constraints requirements/development.txt --output-file requirements/otel.txt
	$(PY) requirements/freshness.py --write

.PHONY: clean
clean: ## Remove .venv/ and the caches; var/'s databases and keys stay
	rm -rf $(VENV) var/cache var/coverage var/demo

.PHONY: help
help: ## Say what each target does
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z0-9-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# ---------------------------------------------------------------------------------------------- the environment itself

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is not installed; name another with PYTHON=…" >&2; exit 1; }
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Stepward needs Python 3.11 or newer.")'
	$(PYTHON) -m venv $(VENV)

# pip brings uv by hash; where no wheel of uv runs, .ci/install goes on with pip alone.
$(UV): requirements/uv.txt | $(VENV)/bin/python
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/uv.txt
	touch $@

$(DEMO_STAMP): | $(VENV)/bin/python
	@.ci/install $(VENV) requirements/demo.txt && mkdir -p $(@D) && touch $@

$(DEVELOPMENT_STAMP): | $(VENV)/bin/python
	@.ci/install $(VENV) requirements/development.txt && mkdir -p $(@D) && touch $@ $(DEMO_STAMP)
