# make demo | test | test-slow | coverage | fuzz | faults | examples | notebooks
# make notebooks-update
# make docs
# make lint | format | clean
#
# Each target first makes the virtual environment it runs in, when that is missing or
# older than pyproject.toml or constraints.txt. Other settings, for example:
#   make clean test PYTHON=python3.12  another interpreter (3.10 to 3.13)
#   make test EXTRAS=dev,cluster       further extras of pyproject.toml
#   make test WORKERS=8                more test processes
#   make demo DEMO_ARGS="--help"       arguments of benchmarks/demo.py

PYTHON ?= python3
VENV ?= .venv
# Goals that start with "notebooks" need that extra too, docs its own; dev has what examples need.
EXTRAS ?= $(if $(filter notebooks%,$(MAKECMDGOALS)),dev$(comma)notebooks,$(if $(filter docs,$(MAKECMDGOALS)),docs,dev))
WORKERS ?= 2
DEMO_ARGS ?=

BIN := $(VENV)/bin
comma := ,
# One stamp for each choice of extras, so that a new choice is installed.
STAMP := $(VENV)/.installed-$(subst $(comma),-,$(EXTRAS))
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# The tests' matrices are small: two processes of one thread each are quicker on two
# cores than one of two threads, and one thread adds up in one order, so results repeat.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# loadfile keeps a file's tests in one process: its shared fixtures are made once.
PYTEST := $(ONE_THREAD) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: demo test test-slow coverage fuzz faults examples notebooks notebooks-update
.PHONY: lint format clean docs
.DEFAULT_GOAL := test

demo: $(STAMP)
	$(BIN)/python benchmarks/demo.py $(DEMO_ARGS)

test: $(STAMP)
	$(PYTEST) -m "not slow"

test-slow: $(STAMP)
	$(PYTEST) -m slow --durations=10

# The share of lines and branches that the tests enter.
coverage: $(STAMP)
	$(PYTEST) -m "not slow" --cov --cov-report=term-missing:skip-covered

# 10,000 calls with good and odd inputs; writes benchmarks/results/fuzz.
fuzz: $(STAMP)
	$(ONE_THREAD) $(BIN)/python -m benchmarks run fuzz --processes $(WORKERS)

# On scikit-learn's digits; each takes a graph of your own, see --help.
examples: $(STAMP)
	for script in gcn_with_basis_pe transformer_with_encodings cold_start lightning_module networkx_graph daily_data; do \
	    $(ONE_THREAD) $(BIN)/python examples/$$script.py || exit 1; \
	done

# Runs the tutorials and changes no file.
notebooks: $(STAMP)
	$(PYTEST) --nbmake --nbmake-timeout=600 notebooks/*.ipynb

# The site, in docs/_build/html; needs no network. A warning is an error.
docs: $(STAMP)
	# The fits of its pictures are small: threads would wait for each other.
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html

# Writes the executed notebooks anew from their sources.
notebooks-update: $(STAMP)
	$(BIN)/jupytext --quiet --update --to ipynb notebooks/*.py
	$(ONE_THREAD) $(BIN)/python -m nbconvert --to notebook --execute --inplace \
	    --ExecutePreprocessor.record_timing=False notebooks/*.ipynb

faults: $(STAMP)
	$(BIN)/python -m benchmarks run faults

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/codespell

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist docs/_build docs/generated docs/pictures docs/tutorials .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find pyg_basis tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

# torch goes first: with the pinned build in place, no later package asks for another.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' \
	    || { echo "$(PYTHON) is older than Python 3.10: name a newer one, for example 'make PYTHON=python3.11'" >&2; exit 1; }
	@echo "Installing into $(VENV): a few minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) torch
	$(PIP_INSTALL) -e ".[$(EXTRAS)]"
	@touch $@
