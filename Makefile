# make help lists what there is. Every target sets itself up: Python 3.10+ with venv and pip is all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
export PYTHONWARNINGS := ignore
# two processes with one thread each beat one with two on small models
THREADS := OMP_NUM_THREADS=1

.PHONY: help install demo test test-slow test-all lint speed clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 20

install: $(INSTALLED)  ## create .venv and install what is missing

$(INSTALLED): requirements.lock setup.cfg setup.py pyproject.toml
	@echo "Setting up $(VENV): about a minute, 2 GB on disk."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -r requirements.lock
	@touch $@

demo: $(INSTALLED)  ## pretrain, finetune under three protocols, leaderboard: work_dirs/demo (about 15 minutes on 2 cores)
	$(BIN)/humanbench demo

test: $(INSTALLED)  ## the quick tests, both cores (ten to twenty minutes)
	$(THREADS) $(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(INSTALLED)  ## the tests that take longer than ten seconds each
	$(THREADS) $(BIN)/python -m pytest -n 2 -m slow

test-all: test test-slow  ## all tests

lint: $(INSTALLED)  ## style
	$(BIN)/python -m ruff check .

speed: $(INSTALLED)  ## the speed figures, each against something public
	@for script in tools/speed/[a-z]*.py; do echo "== $$script"; $(THREADS) $(BIN)/python $$script || exit 1; done

clean:  ## remove what tests and builds leave behind (not .venv, data or work_dirs)
	rm -rf build dist *.egg-info humanbench/.mim .pytest_cache .ruff_cache
