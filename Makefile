# Everything a clone needs: Python 3.11 or later with venv. `make` alone says what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CANAILLE := .venv-canaille
INTEROP := build/interop
JOBS ?= 2
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

.PHONY: help run test test-deep test-deploy test-interop chromium check format bench lock clean image image-facts builder image-tools chart-schema

help: ## say what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.demo ## the whole thing on loopback with real parts; ARGS="--port 18080"
	@$(BIN)/dcr-sidecar demo $(ARGS)

test: $(VENV)/.test ## the everyday suite; TESTS=tests/oauth for a part of it
	@$(BIN)/pytest -q -n $(JOBS) $(TESTS)

test-deep: $(VENV)/.test chromium $(CANAILLE)/.installed ## another identity provider and a real browser, in tests/deep
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile $(or $(TESTS),tests/deep)

test-deploy: $(VENV)/.deploy build/crds/.installed image-tools ## the image built and run, the Helm chart rendered and validated, in tests/kubernetes
	@$(BIN)/pytest -q -n $(JOBS) --dist loadfile $(or $(TESTS),tests/kubernetes)

test-interop: $(VENV)/.test $(INTEROP)/node/.installed $(INTEROP)/everything/.installed .venv-interop-mcp1/.installed .venv-interop-fastmcp/.installed ## clients that others publish and the official suites, in tests/interop; writes README.md's table
	@cp -r tests/interop/programs $(INTEROP)/node/
	@$(BIN)/pytest -q -n $(JOBS) $(or $(TESTS),tests/interop --write-table)

image-tools:
	@command -v buildah >/dev/null && PATH=$$PATH:/usr/sbin command -v debootstrap >/dev/null || { \
		echo "make test-deploy builds an image as root, with: apt-get install buildah debootstrap"; exit 1; }

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

# With whichever of docker, podman and buildah works here; all read the same Dockerfile. FLAVOUR=embedded: helm/README.md.
BUILDER ?= $(shell for tool in docker podman buildah; do $$tool info >/dev/null 2>&1 && { echo $$tool; break; }; done)
FLAVOUR ?= sidecar
IMAGE ?= dcr-sidecar:$(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)$(if $(filter-out sidecar,$(FLAVOUR)),-$(FLAVOUR))
image: builder ## the container image; IMAGE=registry.example/dcr-sidecar:0.1.0 BASE_IMAGE=… IMAGE_FLAGS=…
	@$(BUILDER) build $(if $(filter docker,$(BUILDER)),,--format docker) \
		$(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) --build-arg FLAVOUR=$(FLAVOUR) \
		--build-arg VERSION=$(lastword $(subst :, ,$(IMAGE))) \
		--build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) $(IMAGE_FLAGS) --tag $(IMAGE) .

image-facts: builder ## how big the image is and how soon its command answers
ifeq ($(BUILDER),buildah)
	@buildah images --format 'size: {{.Size}}' $(IMAGE)
	@made=$$(buildah from $(IMAGE)); time buildah run $$made -- dcr-sidecar --version; buildah rm $$made >/dev/null
else
	@$(BUILDER) image inspect --format 'size: {{.Size}} bytes' $(IMAGE)
	@time $(BUILDER) run --rm --read-only $(IMAGE) --version
endif

builder:
	@test -n "$(BUILDER)" || { echo "make image needs docker, podman or buildah"; exit 1; }

chart-schema: $(VENV)/.test ## write the chart's values.schema.json anew, from values.yaml and the configuration's schema
	@$(BIN)/python -m tests.kubernetes.chart_schema

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
	$(COMPILE) pyproject.toml --extra embedded --group build -c requirements/test.lock -o requirements/embedded.lock
	$(COMPILE) requirements/deploy.in -c requirements/test.lock -o requirements/deploy.lock
	$(COMPILE) requirements/canaille.in -o requirements/canaille.lock
	$(COMPILE) requirements/interop-mcp1.in -o requirements/interop-mcp1.lock
	$(COMPILE) requirements/interop-fastmcp.in -o requirements/interop-fastmcp.lock
	$(COMPILE) requirements/interop-everything.in -o requirements/interop-everything.lock

clean: ## remove what was installed and the tools' caches; demo-data stays
	rm -rf $(VENV) $(CANAILLE) .venv-interop-* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# An environment is current when it is newer than what it was made from.
$(VENV)/.demo: requirements/demo.lock pyproject.toml | $(BIN)/pip
	$(call install,demo)

$(VENV)/.test: requirements/test.lock pyproject.toml | $(BIN)/pip
	$(call install,test)
	@touch $(VENV)/.demo # the test set holds the demo's

$(VENV)/.deploy: requirements/deploy.lock $(VENV)/.test
	$(call locked,$(VENV),deploy)
	@touch $@

# Schemas of custom kinds come from npm, where the operators' own are published as packages.
build/crds/.installed: tests/kubernetes/crds/package.json tests/kubernetes/crds/package-lock.json
	@command -v npm >/dev/null || { echo "make test-deploy needs Node.js 20 or later with npm"; exit 1; }
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# Clients for Node.js, and a Node.js that is new enough for them. No script of a package runs.
$(INTEROP)/node/.installed: tests/interop/node/package.json tests/interop/node/package-lock.json
	@command -v npm >/dev/null || { echo "make test-interop needs npm"; exit 1; }
	@mkdir -p $(@D) && cp $^ $(@D)
	@cd $(@D) && npm ci --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# The official SDK's own server for the conformance suite, which only its source distribution holds.
$(INTEROP)/everything/.installed: requirements/test.lock .venv-interop-everything/.installed
	@rm -rf $(@D) && mkdir -p $(@D) && sed -n '/^mcp==/,/# via/p' $< > $(@D)/mcp.lock
	@.venv-interop-everything/bin/python -m pip download --quiet --disable-pip-version-check --no-input --require-hashes \
		--no-deps --no-build-isolation --no-binary mcp --dest $(@D) --requirement $(@D)/mcp.lock
	@cd $(@D) && $(CURDIR)/$(BIN)/python -m tarfile --extract mcp-*.tar.gz && mv mcp-*/examples .
	@touch $@

# Clients written with other versions of the SDK than ours live apart.
.venv-interop-%/.installed: requirements/interop-%.lock | .venv-interop-%/bin/pip
	$(call locked,.venv-interop-$*,interop-$*)
	@touch $@

# The identity provider that test-deep signs in at wants other versions than we do, so it lives apart.
$(CANAILLE)/.installed: requirements/canaille.lock | $(CANAILLE)/bin/pip
	$(call locked,$(CANAILLE),canaille)
	@touch $@

$(BIN)/pip $(CANAILLE)/bin/pip .venv-interop-mcp1/bin/pip .venv-interop-fastmcp/bin/pip .venv-interop-everything/bin/pip:
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
