# Two commands do all on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
# The one place where you may name a package index for torch; empty uses pip's own configuration.
TORCH_INDEX ?=
# Test files run side by side.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
# The tests against the real OpenRLHF have an environment of their own: docs/openrlhf-environment.md.
OPENRLHF := .venv-openrlhf
# Harbor needs a newer Python than we do: docs/exchange.md.
HARBOR := .venv-harbor
HARBOR_PYTHON ?= python3.12
PINNED_TORCH := import tomllib; print(next(one for one in tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["train"] if one.startswith("torch")))
INSTALL := -m pip install --disable-pip-version-check -q -c constraints.txt
PIP := $(BIN)/python $(INSTALL)
# Uncompiled: most of what is installed there is never imported.
OPENRLHF_PIP := $(OPENRLHF)/bin/python $(INSTALL) --no-compile
NEW_ENOUGH := import sys; sys.exit(0 if sys.version_info >= (3, 11) else "SandMLE needs Python 3.11 or newer: make PYTHON=python3.11")

.PHONY: demo test test-openrlhf test-harbor check lint types contracts docs docs-update train-env clean
.DEFAULT_GOAL := test

$(BIN)/python:
	@$(PYTHON) -c '$(NEW_ENOUGH)'
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
	@# A file's tests share servers, kernels and engines; the attacks count themselves and fill both processors alone.
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --maxfail=30 --ignore=tests/attacks
	$(BIN)/python -m pytest tests/attacks

$(OPENRLHF)/.installed: pyproject.toml constraints.txt requirements-openrlhf.txt requirements-openrlhf-nodeps.txt
	@$(PYTHON) -c '$(NEW_ENOUGH)'
	$(PYTHON) -m venv $(OPENRLHF)
	$(OPENRLHF_PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "$$($(PYTHON) -c '$(PINNED_TORCH)')"
	$(OPENRLHF_PIP) -e '.[train,ray]' -r requirements-openrlhf.txt
	DS_BUILD_OPS=0 $(OPENRLHF_PIP) --no-deps --no-build-isolation -r requirements-openrlhf-nodeps.txt
	@# A .pth file stands behind the installed packages in the search path, so that a real one wins over its stub.
	echo "$(CURDIR)/tests/openrlhf/stubs" > "$$($(OPENRLHF)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/sandmle-stubs.pth"
	$(OPENRLHF)/bin/python -m compileall -q sandmle
	@touch $@

test-openrlhf: $(OPENRLHF)/.installed ## Run the tests against the real OpenRLHF, Ray, DeepSpeed and TRL, on a CPU
	REQUIRE_OPENRLHF=1 $(OPENRLHF)/bin/python -m pytest -m openrlhf tests/openrlhf tests/plugins/exchange/test_read_back.py

$(HARBOR)/.installed:
	$(HARBOR_PYTHON) -m venv $(HARBOR)
	$(HARBOR)/bin/python -m pip install --disable-pip-version-check -q harbor dirhash inspect-harbor
	@touch $@

test-harbor: $(VENV)/.dev $(HARBOR)/.installed ## Have Harbor and Inspect read what is exported for them (needs Python 3.12: HARBOR_PYTHON)
	CONSUMERS_PYTHON=$(HARBOR)/bin/python $(BIN)/python -m pytest tests/plugins/exchange/test_read_back.py -k 'harbor or inspect'

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
	rm -rf $(VENV) $(OPENRLHF) $(HARBOR) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
