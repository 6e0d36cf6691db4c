# Two commands matter: `make book` and `make test`. Each makes the locked environment first.
PYTHON ?= python3
VENV   ?= .venv
UV     := uv==0.13.8
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.locked

# Bytecode makes every kernel start two to three times faster, whatever the caller's shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: book test lint lock bench data clean help

help:  ## list the commands
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 10

book: $(STAMP)  ## run every notebook, build the book into _build/html
	$(BIN)/rollstate build

test: $(STAMP)  ## unit, property, oracle and notebook tests
	$(BIN)/python -m pytest -n auto $(PYTEST_ARGS)

lint: $(STAMP)  ## style, import floors, typed numbers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/rollstate lint

data: $(STAMP)  ## fetch the public data sets (checked by SHA-256)
	$(BIN)/rollstate data fetch

bench: $(STAMP)  ## speed and memory as ratios to a named peer
	$(BIN)/python benchmarks/run.py

lock: $(STAMP)  ## renew requirements.lock from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header -q -o requirements.lock

clean:  ## remove what was built, keep the environment
	rm -rf _build

# An environment that was made for another folder (a moved or copied checkout) runs that folder's code: make it anew.
ifneq ($(wildcard $(STAMP)),)
ifneq ($(shell cat $(STAMP)),$(CURDIR))
$(shell rm -rf $(VENV))
endif
endif

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) tools/check_python.py
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(UV)
	VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/uv pip sync --quiet --system-certs --compile-bytecode --require-hashes requirements.lock
	VIRTUAL_ENV="$(abspath $(VENV))" $(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@printf '%s' "$(CURDIR)" > $@
