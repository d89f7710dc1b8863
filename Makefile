# Two commands are enough: `make lab` opens the notebooks, `make test` runs every test.
# PYTHON names the interpreter, ARGS goes to the command that a target starts.

PYTHON ?= python3
ARGS ?=

VENV = .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/installed
SETTINGS = $(VENV)/share/jupyter/lab/settings
FIRST = notebooks/00_the_bench.ipynb
AS_ROOT = $(if $(filter 0,$(shell id -u)),--allow-root)

VERSION = $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
WORKS = $(shell test -x $(BIN)/python && echo yes)
HAS_VENV = $(shell $(PYTHON) -c 'import venv, ensurepip; print("yes")' 2>/dev/null)
WRONG_PYTHON = This lab needs Python 3.11, 3.12 or 3.13, and "$(PYTHON)" is \
	$(or $(VERSION),not there): name another one, as in "make $(MAKECMDGOALS) PYTHON=python3.12"
NO_VENV = "$(PYTHON)" cannot make a virtual environment: install its venv module \
	(on Debian and Ubuntu "apt install python$(VERSION)-venv") and try again

.PHONY: again help lab test check notebooks bench results lint format constraints clean

help: ## list the commands
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1: \2/p' Makefile

lab: $(INSTALLED) ## open the lab in JupyterLab (ARGS=--no-browser prints the URL only)
	$(BIN)/python -m jupyter lab $(AS_ROOT) --LabApp.default_url=/lab/tree/$(FIRST) $(ARGS)

test: $(INSTALLED) ## run every test: code, notebooks, and panels in a browser
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(INSTALLED) ## what is long: large tests, other machines' arithmetic, 20,000 damaged files
	$(BIN)/python -m pytest -n 2 --dist loadfile -m long tests
	$(BIN)/python tests/helpers/machines.py $(ARGS)
	$(BIN)/python -m experiments.fuzz --inputs 20000 --seed 1

notebooks: $(INSTALLED) ## build notebooks/*.ipynb from notebooks/src/*.py
	$(BIN)/python notebooks/build.py $(ARGS)

bench: $(INSTALLED) ## measure how fast the lab answers on this machine
	$(BIN)/python -m bench.bench $(ARGS)

results: $(INSTALLED) ## rebuild the tables of results from data/results
	$(BIN)/python -m experiments.results $(ARGS)

lint: $(INSTALLED) ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tests/helpers/wording.py

format: $(INSTALLED) ## mend style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

constraints: $(INSTALLED) ## pin what pyproject.toml asks for (ARGS=--upgrade: newest versions)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-emit-index-url --annotation-style line \
		--custom-compile-command "make constraints" \
		--output-file constraints.txt --quiet $(ARGS)
	$(BIN)/python binder/generate.py

clean: ## remove the environment and what tools left behind; data and trainings stay
	rm -rf $(VENV) *.egg-info .pytest_cache .ruff_cache .hypothesis
	find labkit tests notebooks experiments bench binder -name __pycache__ -prune -exec rm -rf {} +

# The stamp is as old as the last installation, so a second call starts at once. It goes
# first and comes last: without it, whatever was interrupted is made anew.
$(INSTALLED): pyproject.toml constraints.txt binder/overrides.json $(if $(WORKS),,again)
	$(if $(filter 3.11 3.12 3.13,$(VERSION)),,$(error $(WRONG_PYTHON)))
	$(if $(HAS_VENV),,$(error $(NO_VENV)))
	rm -f $@
	$(PYTHON) -m venv $(if $(and $(WORKS),$(wildcard $(INSTALLED))),,--clear) $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check \
		--constraint constraints.txt --editable '.[train,lab,dev]'
	mkdir -p $(SETTINGS)
	cp binder/overrides.json $(SETTINGS)
	touch $@
