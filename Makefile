# Everything a newcomer needs: `make demo` runs a campaign, `make test` checks the project. Both set up .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO_OUTPUT := out/blog_campaign
# Processes that run tests side by side; each has a PostgreSQL of its own.
WORKERS ?= 2

.PHONY: help demo test lint types contracts pytest chaos bench vendor screenshots clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' Makefile

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo-installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --editable '.[embedded,example]'
	@touch $@

$(VENV)/.test-installed: pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --editable '.[embedded,example,server,dev]'
	@touch $@ $(VENV)/.demo-installed

demo: $(VENV)/.demo-installed ## Run the blog campaign on this project's own documents.
	$(BIN)/planner-graph run examples/blog_campaign/campaign.yaml --agents examples/blog_campaign/agents.py:agents \
		--output $(DEMO_OUTPUT)

test: lint types contracts pytest ## Run linters, types, import contracts and all tests.

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test-installed
	$(BIN)/mypy

contracts: $(VENV)/.test-installed
	$(BIN)/lint-imports

pytest: $(VENV)/.test-installed
	$(BIN)/pytest -n $(WORKERS) --dist loadfile

chaos: $(VENV)/.test-installed ## Kill, freeze and cut off many more runs than the tests do; takes a quarter of an hour, or an hour on a busy machine.
	PLANNER_GRAPH_CHAOS=long $(BIN)/pytest tests/chaos

bench: $(VENV)/.test-installed ## Run the benchmarks and print their tables.
	$(BIN)/python -m benchmarks.plan_and_compile
	$(BIN)/python -m benchmarks.adaptive
	$(BIN)/python -m benchmarks.mirror
	$(BIN)/python -m benchmarks.eta
	$(BIN)/python -m benchmarks.server

vendor: ## Bring the dashboard's libraries from their npm packages, at the pinned versions.
	$(PYTHON) scripts/vendor.py

screenshots: $(VENV)/.test-installed ## Take the pictures of the dashboard in docs/images anew; needs Chromium.
	$(BIN)/python -m scripts.screenshots

clean: ## Remove everything that was made here.
	rm -rf $(VENV) out build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
