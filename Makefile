# Every target makes what it needs, from a bare clone: Python 3.11 or newer and make, nothing else.
# The environment in .venv is renewed when pyproject.toml or constraints.txt change.

PYTHON ?= python3
WORKERS ?= 2
QUICK := not slow and not gpu and not data
BIN := .venv/bin
# Twice quiet: pip then prints errors alone.
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check install -c constraints.txt
SOURCES := medrec tests benchmarks configs docs

.DEFAULT_GOAL := help
.PHONY: help demo test test-all lint format docs schema constraints clean distclean

help:  ## List the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

.venv/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "medrec needs Python 3.11 or newer: make PYTHON=python3.12")'
	@echo "Installing medrec into .venv (PyTorch is large: minutes, not seconds)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --editable .
	@touch $@

.venv/.test: .venv/.demo
	$(PIP) --editable '.[test]'
	@touch $@

.venv/.docs: .venv/.demo
	$(PIP) --editable '.[docs]'
	@touch $@

demo: .venv/.demo  ## Screen data_samples with a shipped model; exit 3 means that some inputs were refused, as they must be
	@$(BIN)/medrec screen data_samples --model mri-brain-tumor-t1c --out demo-out --overwrite || test $$? -eq 3
	@echo
	@echo "Open the worklist in a browser: $(CURDIR)/demo-out/index.html"

# One thread for each worker: two workers that each start as many threads as cores only slow each other.
test: export OMP_NUM_THREADS = 1
test: .venv/.test  ## Run the quick tests
	$(BIN)/pytest --numprocesses $(WORKERS) --dist loadfile -m "$(QUICK)"

test-all: .venv/.test  ## Run all tests: slow ones, those for a GPU, and those on the archives in MEDREC_TEST_DATA
	$(BIN)/pytest

lint: .venv/.test  ## Style, types and layers
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv/.test  ## Put the code into the one style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

docs: export NO_MKDOCS_2_WARNING = 1
docs: .venv/.docs  ## Build the documentation into site
	$(BIN)/mkdocs build --strict --quiet
	@echo "Documentation: $(CURDIR)/site/index.html"

schema: .venv/.demo  ## Write the JSON schemas of the configs
	$(BIN)/python configs/write_schemas.py

constraints:  ## Take the newest versions that pyproject.toml allows; run test-all after it
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip -qq install --editable '.[imagenet,test,docs]'
	grep '^#' constraints.txt > constraints.new
	$(BIN)/python -m pip freeze --exclude-editable | grep -v '^#' >> constraints.new
	mv constraints.new constraints.txt

clean:  ## Remove what was built, but not .venv
	rm -rf demo-out site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage
	find medrec tests -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Remove .venv too
	rm -rf .venv
