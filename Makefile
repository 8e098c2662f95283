# Every target makes the virtual environment it needs and reuses it until pyproject.toml or constraints.txt changes.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt

export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test check docs bench bench-tfrs bench-index bench-evaluation

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.library: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.library
	$(PIP) -e '.[dev]'
	@touch $@

$(VENV)/.report: $(VENV)/.library
	$(PIP) -e '.[report]'
	@touch $@

demo: $(VENV)/.report ## train the tutorial's models and the best one on MovieLens 100K, then recommend
	$(BIN)/motet demo

# The tensors of the tests are small: more threads would only wait for each other.
test: export OMP_NUM_THREADS = 1
test: $(VENV)/.dev ## every test: doctests, documentation and examples included
	$(BIN)/python -m pytest

check: $(VENV)/.dev ## format, lint, types, layers, docstrings, documentation build
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pydoclint src
	$(BIN)/mkdocs build --strict

docs: $(VENV)/.dev ## build the documentation into site/
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.dev ## speed and quality of motet
	$(BIN)/python -m benchmarks

.venv-tfrs/.tfrs: benchmarks/tfrs/requirements.txt
	$(PYTHON) -m venv .venv-tfrs
	.venv-tfrs/bin/python -m pip install --disable-pip-version-check --quiet -r $<
	@touch $@

bench-tfrs: $(VENV)/.dev .venv-tfrs/.tfrs ## beside TensorFlow Recommenders, some 20 minutes; PART=parity, tutorial, large or ranks
	$(BIN)/python -m benchmarks.tfrs $(PART)

.venv-scann/.scann: benchmarks/scann/requirements.txt
	$(PYTHON) -m venv .venv-scann
	.venv-scann/bin/python -m pip install --disable-pip-version-check --quiet -r $<
	@touch $@

.venv-tfrs-scann/.scann: benchmarks/tfrs/scann-requirements.txt
	$(PYTHON) -m venv .venv-tfrs-scann
	.venv-tfrs-scann/bin/python -m pip install --disable-pip-version-check --quiet -r $<
	@touch $@

bench-index: $(VENV)/.dev .venv-tfrs/.tfrs .venv-tfrs-scann/.scann .venv-scann/.scann ## one request among a million items, beside TFRS and ScaNN; DIR=folder for what is built, .bench-index
	$(BIN)/python -m benchmarks.index $(or $(DIR),.bench-index)

EVALUATORS := ranx rectools recbole recometrics
NO_ISOLATION_recometrics := --no-build-isolation

.venv-%/.evaluation: benchmarks/evaluation/requirements/%.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --disable-pip-version-check --quiet cython numpy setuptools wheel
	.venv-$*/bin/python -m pip install --disable-pip-version-check --quiet $(NO_ISOLATION_$*) -r $<
	@touch $@

bench-evaluation: $(VENV)/.dev $(EVALUATORS:%=.venv-%/.evaluation) ## beside ranx, RecTools, RecBole and recometrics, some 16 minutes; PART=small, lists, factors, hits or learned
	$(BIN)/python -m benchmarks.evaluation $(PART)
