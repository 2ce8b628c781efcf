# make run: start Grace.  make test: what every change must pass.  The rest: make help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
RUN_READY := $(VENV)/.ready-run
TEST_READY := $(VENV)/.ready-test

# Each instance of the tests is a few dozen processes: they read what was compiled once.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run test test-units test-system test-chaos test-all test-thespian lint format bench drills soak clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(RUN_READY) ## start Grace (the first time: make .venv and install)
	$(BIN)/python run.py

test: $(TEST_READY) ## format, lint, types, and every test that is not slow
	@echo 'four runs side by side, five minutes; each shows itself when it has ended'
	@$(MAKE) --no-print-directory --jobs 4 --output-sync=target lint test-units test-system test-chaos

# Side by side, for two processors: tests of real instances mostly wait. Those that need the default port stay in one run.
test-units:
	$(BIN)/python -m pytest -m "not slow" tests/contract tests/props tests/unit tests/thespian_suite

test-system:
	$(BIN)/python -m pytest -m "not slow and not chaos" tests/system

test-chaos:
	$(BIN)/python -m pytest -m "not slow and chaos" tests/system

test-all: lint ## the same with the slow tests, and with other and more random examples each time
	$(BIN)/python -m pytest --hypothesis-profile=explore

test-thespian: $(TEST_READY) ## Thespian's own tests, on TCP and on our base, compared (12 minutes)
	$(BIN)/python -m tests.thespian_suite

lint: $(TEST_READY) ## format check, ruff and mypy
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(TEST_READY) ## put the code in form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(TEST_READY) ## every benchmark, as JSON
	$(BIN)/python -m benchmarks all --json

drills: $(TEST_READY) ## every drill three times on an instance of its own (half an hour): make drills ROUNDS=1
	$(BIN)/python -m benchmarks drills --rounds $(or $(ROUNDS),3)

soak: $(TEST_READY) ## the transport under kills and floods: make soak SECONDS=600
	$(BIN)/python -m benchmarks soak --json --seconds $(or $(SECONDS),600)

clean: ## remove what can be made again; keeps .grace, the data of an instance
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Grace needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv $(VENV)

# The stamps are newer than pyproject.toml once everything it names is installed.
$(RUN_READY): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(TEST_READY): pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev]'
	@touch $@ $(RUN_READY)
