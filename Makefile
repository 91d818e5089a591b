# Verbs of the project. Each one sets up what it needs; only Python 3.11+ and make are required.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test faults test-elastic test-browser lint fix bench bench-peers docs catalogues model lock clean

help:            ## list the verbs
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## install everything into .venv, nothing else

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "citysoc needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --only-binary :all: --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup      ## a simulated month of the city through the whole pipeline
	$(BIN)/citysoc demo

test: setup      ## the test suite a developer runs all day
	$(BIN)/python -m pytest -n auto -m "not faults and not elastic and not browser"

faults: setup    ## slower tests: kills, starved processes, all real logs
	$(BIN)/python -m pytest -m "faults and not elastic and not browser" -rs

test-elastic: setup ## tests on a real Elasticsearch node, fetched the first time (needs mvn and a JDK 21+)
	$(BIN)/python -m pytest -m elastic -rs

test-browser: setup ## tests of pages in a headless Chromium
	$(BIN)/python -m pytest -m browser -rs

lint: setup      ## formatting, types, import directions, docs against --help
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/cog --check -I docs -p "import generate" docs/*.md

fix: setup       ## format, sort imports, write generated documentation again
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/cog -r -I docs -p "import generate" docs/*.md

bench: setup     ## measure; prints figures, asserts nothing
	$(BIN)/python -m tests.bench

bench-peers: setup ## measure the rule engine beside rsigma; builds it with cargo the first time
	@test -x .peers/bin/rsigma || nice cargo install --quiet --locked --root .peers rsigma@0.23.0
	$(BIN)/python -m tests.bench sigma_peers

docs: setup      ## write the generated parts of the documentation again
	$(BIN)/cog -r -I docs -p "import generate" docs/*.md

catalogues: setup ## find the messages of the code; write the Vietnamese catalogue and its compiled form
	$(BIN)/python -m tests.catalogues

model: setup     ## train the model of names on our own labelled names
	$(BIN)/python -m citysoc.enrich.train

lock: setup      ## resolve the dependencies again (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra dev \
	  --no-emit-index-url --no-emit-find-links --no-header pyproject.toml --output-file requirements.lock

clean:           ## remove the environment and everything generated
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis demo-data
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
