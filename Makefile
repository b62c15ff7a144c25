# The few commands that people type. `make` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup lint style types imports azure azurite demo demo-local demo-azure-offline up down test tested test-long format lock

# A caller's environment must not leak in: `make` works in the clone's own .venv whatever is active.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
# Without bytecode every process would compile its modules anew. `setup` compiles the packages at once, `test` leaves
# it to the imports of its launcher: it uses a fourth of them.
unexport PYTHONDONTWRITEBYTECODE
export UV_COMPILE_BYTECODE := 0
# What the machine trusts, uv trusts too: behind a proxy its own list of authorities is not enough.
export UV_SYSTEM_CERTS ?= 1
export UV_NATIVE_TLS ?= 1

PYTHON ?= python3
VENV := .venv
# One more than the cores of a small machine: tests wait for processes and servers.
WORKERS ?= 3
STAMP := $(VENV)/.ridgeline-setup
BYTECODE := $(VENV)/.ridgeline-bytecode
UNCOMPILED := tests|apprise|azure|databricks|fontTools|kubernetes|mypyc?|onnx(runtime)?|pip|pygments|setuptools
AZURE := $(VENV)/.ridgeline-azure
AZURITE := tests/emulator/node_modules/.package-lock.json
PIP_INSTALL := install --quiet --disable-pip-version-check
# To make a pip in .venv takes five seconds, so one that is there is asked first.
INSTALL_UV = $(PYTHON) -m pip --python $(VENV)/bin/python $(PIP_INSTALL) uv 2>/dev/null \
	|| { $(VENV)/bin/python -m ensurepip >/dev/null && $(VENV)/bin/python -m pip $(PIP_INSTALL) uv; }
# A uv on the PATH may be a shim that finds no uv, so it is asked.
UV = $(shell uv --version >/dev/null 2>&1 && command -v uv || echo $(VENV)/bin/uv)

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(BYTECODE) $(AZURE) ## install everything that is locked into .venv; removes nothing

demo: demo-$(or $(PLATFORM),local) ## run the main job, first data to production; KEEP=1 leaves it running; PLATFORM=azure-offline

demo-local: $(BYTECODE)
	@$(VENV)/bin/ridgeline demo $(if $(filter-out 0,$(KEEP)),--keep)

demo-azure-offline: setup azurite
	@$(VENV)/bin/python -m tests.emulator $(if $(filter-out 0,$(KEEP)),--stay) -- \
		$(VENV)/bin/ridgeline demo $(if $(filter-out 0,$(KEEP)),--keep)

up: setup ## start all services in the background and wait until they are ready
	@$(VENV)/bin/ridgeline up --detach

down: ## stop everything that runs in this clone
	@if [ -x $(VENV)/bin/ridgeline ]; then env -u RIDGELINE_STATE $(VENV)/bin/ridgeline down; else echo "nothing was running"; fi

azure: $(AZURE) ## install what the Azure platform and its tests need; so does `setup`

azurite: $(AZURITE) ## install Azurite, which holds the blobs of the offline Azure; needs node and npm

test: ## check style, types and imports, then run the tests
	@$(MAKE) --no-print-directory -j2 $(AZURE) $(if $(shell command -v npm),azurite)
	@$(VENV)/bin/python -m tests.launched $(MAKE) --no-print-directory -j3 tested

tested: lint
	@eval "exec $${TESTS_PYTHON:?is set by tests.launched} pytest" '--tx "$(WORKERS)*popen//python=$$TESTS_PYTHON tests.forked"' \
		--dist loadgroup --randomly-seed=440928386 --cov --cov-report= '-m "not long"'

lint: style types imports ## check style, types and imports

style: $(STAMP)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

types: $(STAMP)
	@$(VENV)/bin/mypy

imports: $(STAMP)
	@$(VENV)/bin/lint-imports

test-long: setup $(if $(shell command -v npm),azurite) ## run the tests that take longer
	@$(VENV)/bin/pytest -m "long or hypothesis" --hypothesis-profile=thorough

format: setup ## let ruff mend and format the code
	@$(VENV)/bin/ruff check --fix .
	@$(VENV)/bin/ruff format .

lock: setup ## resolve the dependencies anew and write requirements.lock
	@$(VENV)/bin/uv pip compile pyproject.toml --all-extras --group dev --group azure-tests --universal --generate-hashes --upgrade --python-version 3.11 --no-header \
		--no-annotate --quiet --output-file requirements.lock

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Ridgeline needs Python 3.11 or newer: name one by make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --without-pip $(VENV) \
		|| { echo "Python's venv is missing: install it (on Debian: apt-get install python3-venv), then run make again" >&2; rm -rf $(VENV); exit 1; }

$(STAMP): pyproject.toml requirements.lock | $(VENV)/bin/python
	@if [ ! -x "$(UV)" ]; then $(INSTALL_UV) \
		|| { echo "uv cannot be installed: see above (on Debian: apt-get install python3-venv); with a uv on the PATH this step is not needed" >&2; exit 1; }; fi
	@echo "installing what requirements.lock names into $(VENV)"
	@$(UV) pip install --quiet --python $(VENV)/bin/python -c requirements.lock -e . --group dev
	@touch $@

# More than half of what packages bring is never imported, or of the Azure platform; a few files are for other versions
# of Python and do not compile.
$(BYTECODE): $(STAMP)
	@$(VENV)/bin/python -m compileall -qq -j 0 -x '/($(UNCOMPILED))/' $(VENV)/lib || true
	@touch $@

$(AZURITE): tests/emulator/package-lock.json
	@echo "installing Azurite into tests/emulator/node_modules"
	@npm ci --prefix tests/emulator --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# Most modules of these SDKs are never imported, so each is compiled when it is.
$(AZURE): $(STAMP)
	@echo "installing the Azure SDKs that requirements.lock names into $(VENV)"
	@$(UV) pip install --quiet --python $(VENV)/bin/python -c requirements.lock -e ".[azure]" --group azure-tests
	@touch $@
