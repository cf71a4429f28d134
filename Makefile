# Everything from a bare clone: the first target that needs it makes .venv and installs into it.
PYTHON ?= python3
BIN := .venv/bin
RUN := $(BIN)/python -m harness

.DEFAULT_GOAL := help
.PHONY: help run test test-quick test-slow test-lowest test-highest test-next check format docs bench ui clean

help: ## Say what each target does
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F '\t' '{printf "make %-12s %s\n", $$1, $$2}'

.venv/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: harness needs Python 3.11 or newer; name one with make PYTHON=python3.11." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

run: .venv/.installed ## Set up everything, train on real data, print the result and where to look
	$(RUN)

test: .venv/.installed ## Set up everything, run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest

test-quick: .venv/.installed ## Set up everything, run the tests that are not slow (three minutes)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not slow"

test-slow: .venv/.installed ## Set up everything, run the slow tests alone
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow

test-lowest: ## Run the quick tests with the lowest versions of the dependencies that are allowed
	PYTHON=$(PYTHON) .ci/test_versions lowest

test-highest: ## Run the quick tests with the highest versions of the dependencies
	PYTHON=$(PYTHON) .ci/test_versions highest

test-next: .venv/.installed ## Run the suites of configuration on Hydra's newest pre-release
	.ci/test_next

check: .venv/.installed ## Format, lint and strict types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: .venv/.installed ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: .venv/.installed ## Build the documentation as a site in outputs/site, check every link
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@echo "outputs/site/index.html opens in a browser, without a network."

bench: .venv/.installed ## Measure our speed against named alternatives, print and store the tables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

ui: .venv/.installed ## Open MLflow on the runs in outputs/
	$(RUN) ui

clean: ## Remove .venv and caches; never outputs/
	rm -rf .venv .venv-next .venv-lowest .venv-highest .pytest_cache .mypy_cache .ruff_cache build dist *.egg-info
