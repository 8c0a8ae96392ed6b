# Everything a clone needs: Python 3.11 or later with venv. `make` alone says what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CANAILLE := .venv-canaille
JOBS ?= 2
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

.PHONY: help run test test-deep chromium check format bench lock clean

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.demo ## the whole thing on loopback with real parts; ARGS="--port 18080"
	@$(BIN)/dcr-sidecar demo $(ARGS)

test: $(VENV)/.test ## the everyday suite; TESTS=tests/oauth for a part of it
	@$(BIN)/pytest -q -n $(JOBS) $(TESTS)

test-deep: $(VENV)/.test chromium $(CANAILLE)/.installed ## another identity provider and a real browser, in tests/deep
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile $(or $(TESTS),tests/deep)

chromium: $(VENV)/.test
	@$(BIN)/python -m tests.fakes.chromium

check: $(VENV)/.test ## format, lint, types, import layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --cache-dir .import_linter_cache

format: $(VENV)/.test ## write the format and the lint fixes
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.test ## the benchmarks of tests/bench
	@test -f tests/bench/__main__.py || { echo "there are no benchmarks in tests/bench yet"; exit 1; }
	@$(BIN)/python -m tests.bench $(ARGS)

# One resolution for what is ours, so that what is tested is what runs. Needs uv; nothing else here does.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--custom-compile-command "make lock" $(LOCKFLAGS)
lock: ## resolve the dependencies anew; LOCKFLAGS=--upgrade for newer ones
	@command -v uv >/dev/null || { echo "make lock needs uv"; exit 1; }
	$(COMPILE) pyproject.toml --all-extras --group build -o requirements/test.lock
	$(COMPILE) pyproject.toml --extra demo --group build -c requirements/test.lock -o requirements/demo.lock
	$(COMPILE) pyproject.toml --group build -c requirements/test.lock -o requirements/sidecar.lock
	$(COMPILE) requirements/canaille.in -o requirements/canaille.lock

clean: ## remove what was installed and the tools' caches; demo-data stays
	rm -rf $(VENV) $(CANAILLE) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is current when it is newer than what it was made from.
$(VENV)/.demo: requirements/demo.lock pyproject.toml | $(BIN)/pip
	$(call install,demo)

$(VENV)/.test: requirements/test.lock pyproject.toml | $(BIN)/pip
	$(call install,test)
	@touch $(VENV)/.demo # the test set holds the demo's

# The identity provider that test-deep signs in at wants other versions than we do, so it lives apart.
$(CANAILLE)/.installed: requirements/canaille.lock | $(CANAILLE)/bin/pip
	$(call locked,$(CANAILLE),canaille)
	@touch $@

$(BIN)/pip $(CANAILLE)/bin/pip:
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON). Install Python 3.11 or later, or say make PYTHON=…"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is $$($(PYTHON) --version); it takes Python 3.11 or later: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(@:/bin/pip=) || { echo "$(PYTHON) has no venv; on Debian: apt install python3-venv"; exit 1; }

# Into $(1) only what the lock $(2) names, by hash.
define locked
	@echo "Installing into $(1); only needed again when the dependencies change."
	@$(1)/bin/python -m pip install --quiet --disable-pip-version-check --no-input \
		--require-hashes --no-deps -r requirements/$(2).lock
endef

# Then the package itself, built by the locked hatchling, in place.
define install
	$(call locked,$(VENV),$(1))
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-input \
		--no-index --no-deps --no-build-isolation -e .
	@touch $(VENV)/.$(1)
endef
