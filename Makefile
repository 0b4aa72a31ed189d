# make demo    train a digit classifier: on the GPU, or on NumPy where there is none
# make page    export a digit classifier to a page that trains on, and serve it to a browser here
# make test    run the test suite on a WebGPU adapter (a software one will do)
# make tint    run the table of operations by Dawn, whose compiler Tint is that of Chrome
# make lint    check style, formatting and types
# make docs    build the pages into site/ (site/index.html opens in a browser as it is)
# make bench   run the benchmarks; .venv/bin/pip install -e ".[peers]" adds PyTorch and tinygrad
# make clean   remove everything that was generated, the virtual environment included
#
# PYTHON=python3.12   the interpreter to create .venv with
# JOBS=1              test processes (default: one per core, at most 4)
# ARGS="-k matmul"    passed on to pytest, to the demo, to the page and to the benchmarks

PYTHON ?= python3
VENV ?= .venv
JOBS ?= auto
ARGS ?=
# Mesa complains to stderr, several times a process, where this is not set.
export XDG_RUNTIME_DIR ?= $(or $(TMPDIR),/tmp)

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo page test tint lint docs bench clean

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

demo: $(VENV)/.installed-examples
	@$(BIN)/python examples/digits.py $(ARGS)

page: $(VENV)/.installed-examples
	@$(BIN)/python examples/web/digits.py --serve $(ARGS)

test: $(VENV)/.installed-dev
	@PYTHON="$(BIN)/python" sh scripts/ensure-vulkan.sh
	WGRAD_REQUIRE=webgpu $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 $(ARGS)

tint: $(VENV)/.installed-dev
	WGRAD_WGPU=wgpudawn WGRAD_REQUIRE=webgpu sh scripts/with-swiftshader.sh \
	    $(BIN)/python -m pytest -n $(JOBS) --maxprocesses 4 \
	    tests/test_ops_forward.py tests/test_ops_gradient.py tests/test_numerics.py $(ARGS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict $(ARGS)
	@echo "site/index.html is the first page"

bench: $(VENV)/.installed-bench
	@$(BIN)/python -m benchmarks $(ARGS)

# A stamp for each extra, inside the environment it describes: deleting .venv deletes the stamps.
$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	@echo "installing wgrad[$*] into $(VENV)"
	@$(PIP) install -e ".[$*]"
	@touch $@

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null \
	    || { echo "wgrad: '$(PYTHON)' was not found; pass PYTHON=/path/to/python3.11 or newer" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	    || { echo "wgrad: needs Python 3.11 or newer, and $(PYTHON) is $$("$(PYTHON)" -V 2>&1); pass PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
	    || { echo "wgrad: $(PYTHON) has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -m venv "$(VENV)" || { rm -rf "$(VENV)"; exit 1; }

clean:
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name .git -prune -o -name __pycache__ -type d -exec rm -rf {} +
