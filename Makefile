# Everything here needs nothing but Python 3.11 or newer, make and a way to a package index:
# each target first builds .venv from constraints.txt, the versions this project is tested with.

PYTHON ?= python3
ARGS ?=

PY := .venv/bin/python
INSTALLED := .venv/installed

.DEFAULT_GOAL := help
.PHONY: help demo test check bench fuzz docs dist clean

help:  ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-7s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED)  ## Make SENet-154 with synthetic weights, convert it, run it and verify it
	$(PY) -m tools.demo $(ARGS)

test: $(INSTALLED)  ## Run the tests; ARGS="-k tiny -x" goes to pytest
	$(PY) -m pytest $(ARGS)

check: $(INSTALLED)  ## Lint, format and types
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

bench: $(INSTALLED)  ## Measure times and memory against cp and torch.save, as ratios
	$(PY) -m tools.bench $(ARGS)

fuzz: $(INSTALLED)  ## Mutate files for every reader; ARGS="prototxt --runs 100000" says which and how many
	$(PY) -m tools.fuzz $(ARGS)

docs: $(INSTALLED)  ## Build the handbook in site/
	NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet $(ARGS)

dist: $(INSTALLED)  ## Build a release in dist/, check it, and try the wheel out; ARGS goes to pip install
	$(PY) -m tools.dist $(ARGS)

clean:  ## Remove what the other targets made
	rm -rf .venv build dist site docs/pictures demo fuzz .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'caffe2py needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.11'; exit 1; }
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[all,dev,docs]'
	@touch $@
