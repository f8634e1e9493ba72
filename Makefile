# What a person types. Every target sets up what it needs in .venv, once, and again when the dependencies change.
#
#   PYTHON        the interpreter to build .venv from (3.11 or newer); default: the first one found
#   FILES         source files or folders for make mutants; default: those that differ from main
#   SAMPLE        mutants to try, drawn at random; 0 tries all
#   INSTALL_ARGS  passed on to the installer, such as --torch-backend=cpu with uv
#   PYTEST        arguments of pytest; default: the whole suite on two processes

VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.installed-core
FULL := $(VENV)/.installed-full
EXTRAS := export,track,test,dev,hub
PYTEST ?= -n 2 --dist worksteal
FILES ?=
SAMPLE ?= 100
INSTALL_ARGS ?=
# Tests misspell on purpose (nearest spelling offered), so they are left out here.
WORDS := $(wildcard src docs configs examples benchmarks tools *.md *.toml *.cff Makefile .ci/run)

.SILENT:
.PHONY: help demo test check lint format types spelling layers bench mutants venv

help:
	echo "make demo    train, update and judge digit classifiers; a table and a page in minutes"
	echo "make test    the whole test suite            make test PYTEST='tests/losses -x'"
	echo "make check   lint, format, types, spelling, import order"
	echo "make bench   the speed benchmarks"
	echo "make mutants break what differs from main, line by line: do the tests notice?   FILES=src/modelheir/metrics"
	echo "make venv    only set up .venv, with everything that the others need"

demo: $(CORE)
	$(BIN)/modelheir demo

test: $(FULL)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)

check: lint format types spelling layers

lint: $(FULL)
	$(BIN)/ruff check .

format: $(FULL)
	$(BIN)/ruff format --check .

types: $(FULL)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

spelling: $(FULL)
	$(BIN)/codespell $(WORDS)

layers: $(FULL)
	$(BIN)/lint-imports

bench: $(FULL)
	for script in benchmarks/*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

mutants: $(FULL)
	$(BIN)/python tools/mutants.py $(FILES) --sample $(SAMPLE)

venv: $(FULL)

# A demo on a fresh machine installs the core alone; where the extras were installed before, they are kept in step.
$(CORE): pyproject.toml constraints.txt
	if [ -f $(FULL) ]; then $(MAKE) --no-print-directory $(FULL); else $(call install,.); touch $(CORE); fi

$(FULL): pyproject.toml constraints.txt
	$(call install,.[$(EXTRAS)])
	touch $(CORE) $(FULL)

# The first interpreter that is new enough; without one, uv brings its own and venv gives up with a sentence.
define find_python
new() { command -v "$$1" >/dev/null 2>&1 && "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
python=; for one in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	if new "$$one"; then python="$$one"; break; fi; \
done
endef

define install
set -e; $(find_python); \
if [ -z "$$python" ] && { [ -n "$(PYTHON)" ] || ! command -v uv >/dev/null; }; then \
	echo "modelheir needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not: make PYTHON=/path/to/python3.12" >&2; exit 1; \
fi; \
if [ ! -x $(BIN)/python ] || ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	rm -rf $(VENV); \
	if command -v uv >/dev/null; then uv venv --quiet --seed --python "$${python:-3.12}" $(VENV); \
	else "$$python" -m venv $(VENV); fi; \
fi; \
echo "Installing modelheir and what it needs into $(VENV) (once; some 3 GB, as torch brings its GPU libraries) ..."; \
if ! command -v uv >/dev/null || ! uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt $(INSTALL_ARGS) -e "$(1)"; then \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip; \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(INSTALL_ARGS) -e "$(1)"; \
fi
endef
