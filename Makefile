# Every entry point that people, CI and hooks use. `make help` lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO_DIR ?= demo
DEMO_PAGE ?= 127.0.0.1:8787

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-system lint format bench soak conformance man pictures requirements clean

help:  ## what can be made
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 16

setup: $(READY)  ## a virtual environment with everything in it
$(READY): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "hf-watch needs Python 3.11 or newer; say make PYTHON=python3.11")'
	@echo 'Installing into $(VENV); this takes about half a minute.'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## a local Hub and the daemon on ./demo/drop
	@mkdir -p $(DEMO_DIR)/drop
	@echo 'Drop files into $(DEMO_DIR)/drop, or on the page at http://$(DEMO_PAGE)/; see them in $(DEMO_DIR)/hub/repos/datasets/demo/drop/main. Ctrl-C ends it.'
	@HF_WATCH_HTTP__LISTEN=$(DEMO_PAGE) HF_WATCH_PRIVATE=false HF_WATCH_ALLOW_PUBLIC=true $(BIN)/hf-watch run $(DEMO_DIR)/drop hf://datasets/demo/drop --local $(DEMO_DIR)/hub --state-dir $(DEMO_DIR)/state

test: setup  ## the tests: no root, no system packages
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal $(PYTEST_ARGS)

test-system: setup  ## the service under a real systemd, the page in a real Chromium and behind proxies; as root, installs what they need
	tests/systemd/needs
	tests/browser/needs
	$(BIN)/python -m pytest tests/systemd tests/browser $(PYTEST_ARGS)

conformance: setup  ## the Hub client's own tests against the local Hub
	$(BIN)/python -m tests.conformance.measure

bench: setup  ## figures beside the client's own tools, about half an hour; BENCH_ARGS="latency huge" picks cases
	$(BIN)/python -m benchmarks.publish $(BENCH_ARGS)
	$(BIN)/python -m benchmarks.watching
	$(BIN)/python -m benchmarks.dropping

soak: setup  ## kills, faults and outages for half an hour; SOAK_ARGS="--seed N" repeats a run
	$(BIN)/python -m pytest tests/soak -v $(SOAK_ARGS)
	$(BIN)/python -m pytest tests/unit tests/contract/test_settings.py tests/contract/test_logs.py tests/machine/test_account.py \
	  --hypothesis-profile=thorough
	$(BIN)/python -m benchmarks.endurance

lint: setup  ## style, formatting, types, layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=daemon $(BIN)/lint-imports --no-cache

format: setup  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

man: setup  ## the man page and the tables of the documents, from the code; `man -l docs/hf-watch.1` shows it
	$(BIN)/python -m tests.unit.test_documents

pictures: setup  ## the pictures of docs/, from the real command, and from the page where there is a Chromium
	$(BIN)/python -m docs.pictures
	$(BIN)/python -m docs.page_pictures

requirements: setup  ## resolve exact versions with hashes anew
	$(PYTHON) -m venv $(VENV)/tools && $(VENV)/tools/bin/pip install --quiet uv
	cd requirements && for name in runtime systemd dev; do ../$(VENV)/tools/bin/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --upgrade $$name.in -o $$name.txt; done

clean:  ## remove what make made
	rm -rf $(VENV) $(DEMO_DIR) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
