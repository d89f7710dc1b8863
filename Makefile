# Two commands are enough: `make lab` opens the notebooks, `make test` runs the tests.
# PYTHON names the interpreter, ARGS goes to the command that a target starts.

PYTHON ?= python3
ARGS ?=

BIN = .venv/bin

# What runs the installation: PYTHON, and once the environment is whole its own one.
STARTS = $(shell $(1) -c 'print("$(1)")' 2>/dev/null)
WHOLE = $(if $(wildcard .venv/installed),$(call STARTS,$(BIN)/python))
NAMED = $(call STARTS,$(PYTHON))
RUN = $(or $(WHOLE),$(NAMED),$(error This lab needs Python 3.11, 3.12 or 3.13, and \
	"$(PYTHON)" is not there: name another one, as in \
	"make $(MAKECMDGOALS) PYTHON=python3.12"))

.PHONY: help lab dev test check notebooks bench results lint format constraints clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

lab: ## open the lab in JupyterLab (ARGS=--no-browser prints the URL only)
	@$(RUN) -m labkit lab $(ARGS)

dev:
	@$(RUN) -m labkit setup --dev

test: dev ## run the tests: code, notebooks, and a panel in a browser
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

check: dev ## what is long: large tests, other machines' arithmetic, 20,000 damaged files
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long tests
	$(BIN)/python tests/helpers/machines.py $(ARGS)
	$(BIN)/python -m experiments.fuzz --inputs 20000 --seed 1

notebooks: dev ## build notebooks/*.ipynb from notebooks/src/*.py
	$(BIN)/python notebooks/build.py $(ARGS)

bench: dev ## measure how fast the lab answers on this machine
	$(BIN)/python -m bench.bench $(ARGS)

results: dev ## rebuild the tables of results from data/results
	$(BIN)/python -m experiments.results $(ARGS)

lint: dev ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/helpers/wording.py

format: dev ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: dev ## pin what pyproject.toml asks for (ARGS=--upgrade: newest versions)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-emit-index-url --annotation-style line \
		--custom-compile-command "make constraints" \
		--output-file constraints.txt --quiet $(ARGS)
	$(BIN)/python binder/generate.py

clean: ## remove the environment and what tools left behind; data and trainings stay
	rm -rf .venv *.egg-info .pytest_cache .ruff_cache .hypothesis
	find labkit tests notebooks experiments bench binder -name __pycache__ -prune -exec rm -rf {} +
