# From nothing but Python 3.11-3.13 and make. `make help` lists what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help demo test lint venv ci clean
# The environment below must see its own packages only, whatever the caller's shell has set.
unexport PYTHONPATH PYTHONHOME PIP_USER

PYTHON ?=
CANDIDATES := python3.11 python3.12 python3.13 python3 python
# Each takes a core and 2 to 3 GB. A file's tests stay together, as they share what it trains.
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
EXTRAS := train,onnx-cpu,grpc,coco,dev
SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))

help: ## List the targets.
	@grep -hE '^[a-z]+:.*##' Makefile | sed -e 's/:.*## /\t/' | expand -t 8

demo: $(STAMP) ## Make scenes, train on their tags, and write demo/demo.png and demo.json.
	@echo "demo: draws scenes, trains three networks from their tags alone and writes demo/."
	@$(BIN)/wsss-tf demo --out demo

test: $(STAMP) ## Run the tests in WORKERS=2 processes; ARGS="-m 'not slow'" and the like reach pytest.
	@echo "test: runs pytest; tests on real photos run where WSSS_TF_REAL names their folder."
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

lint: $(STAMP) ## Check format and lint rules.
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

venv: $(STAMP) ## Make .venv with everything the other targets need.

ci: ## Everything the project checks: tests, lint, wheel, types, smoke.
	@.ci/run

clean: ## Remove .venv, build outputs and caches (not demo/ or your runs).
	rm -rf $(VENV) build dist wsss_tf.egg-info .pytest_cache .ruff_cache .mypy_cache

# Runs again only when what is to be installed has changed.
$(STAMP): setup.cfg pyproject.toml
	@set -e; \
	if ! $(BIN)/python -c '$(SUITABLE)' 2>/dev/null; then \
	  found=; \
	  if [ -n "$(PYTHON)" ]; then set -- "$(PYTHON)"; else set -- $(CANDIDATES); fi; \
	  for python in "$$@"; do \
	    if "$$python" -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; \
	  done; \
	  if [ -z "$$found" ]; then \
	    echo "No suitable Python found; tried: $$*." >&2; \
	    echo "wsss-tf needs Python 3.11, 3.12 or 3.13 with venv and pip (on Debian and Ubuntu:" >&2; \
	    echo "the package python3-venv). Name one: make PYTHON=/path/to/python3.12 ..." >&2; \
	    exit 1; \
	  fi; \
	  echo "venv: makes $(VENV) with $$found."; \
	  "$$found" -m venv --clear $(VENV); \
	fi; \
	echo "venv: installs wsss-tf[$(EXTRAS)] into $(VENV) (2.7 GB and some minutes at first)."; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRAS)]"; \
	touch $(STAMP)
