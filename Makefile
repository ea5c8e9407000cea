# Two commands do all on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
# The one place where you may name a package index for torch; empty uses pip's own configuration.
TORCH_INDEX ?=
VENV := .venv
BIN := $(VENV)/bin
PINNED_TORCH := import tomllib; print(next(one for one in tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["train"] if one.startswith("torch")))
PIP := $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: demo test check lint types contracts docs docs-update train-env clean
.DEFAULT_GOAL := test

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "SandMLE needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.torch: pyproject.toml | $(BIN)/python
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$($(BIN)/python -c '$(PINNED_TORCH)')"
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) -e '.[dev]'
	$(BIN)/python -m compileall -q sandmle
	@touch $@ $(VENV)/.train

$(VENV)/.train: pyproject.toml constraints.txt $(VENV)/.torch
	$(PIP) -e '.[train]'
	$(BIN)/python -m compileall -q sandmle
	@touch $@

demo: $(VENV)/.train ## Make tasks, run three offline agents on them, train a small policy, write demo-out/report.html
	$(BIN)/sandmle demo

test: $(VENV)/.dev ## Run the tests
	$(BIN)/python -m pytest

check: lint types contracts docs ## Everything CI checks besides the tests

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev
	$(BIN)/mypy

contracts: $(VENV)/.dev
	$(BIN)/lint-imports

docs: $(VENV)/.dev ## Command help in the docs is up to date
	COLUMNS=100 NO_COLOR=1 TERM=dumb SANDMLE_PLUGINS= PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog --check docs/cli.md

docs-update: $(VENV)/.dev
	COLUMNS=100 NO_COLOR=1 TERM=dumb SANDMLE_PLUGINS= PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/cog -r docs/cli.md

train-env: $(VENV)/.train ## Add the training extra: torch (pinned, from TORCH_INDEX if given), transformers, peft

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
