# What a person types. Every target sets up what it needs in .venv, once, and again when the dependencies change;
# gate-test in .venv-gate, where nothing but the plain install and the tools of its tests is.
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
EXTRAS := train,export,track,test,dev,hub,pretrained,dedup,search
GATE := .venv-gate
# What the gate consists of; files for training alone are left out by name, tests that need an extra by their mark.
GATE_TESTS := tests/metrics tests/analysis tests/report tests/runs tests/test_address.py tests/test_calls.py \
	tests/test_classes.py tests/test_extras.py tests/test_frames.py tests/test_printable.py tests/test_screen.py tests/assemble/test_pages.py \
	tests/assemble/comparing tests/cli/comparing \
	$(addprefix tests/cli/,averaging/test_ensemble.py test_commands.py) \
	$(addprefix tests/cli/test_,compare.py escapes.py explain.py main.py methods.py report.py) \
	$(addprefix tests/contracts/test_,plain_install.py silent_import.py) \
	$(addprefix src/modelheir/,metrics analysis report config runs/places.py checks.py classes.py address.py frames.py printable.py)
GATE_LEFT := --ignore=tests/runs/test_tensors.py --ignore=tests/runs/snapshots -m "not extras and not browser"
PYTEST ?= -n 2 --dist worksteal
FILES ?=
SAMPLE ?= 100
INSTALL_ARGS ?=
SIZE := a download of some 3 GB, as torch brings its GPU libraries
# Tests misspell on purpose (nearest spelling offered), so they are left out here.
WORDS := $(wildcard src docs configs examples benchmarks tools *.md *.toml *.cff Makefile .ci/run)

.SILENT:
.PHONY: help demo test gate-test check lint format types spelling layers bench mutants venv

help:
	echo "make demo    train, update and judge digit classifiers; a table and a page in minutes"
	echo "make test    the whole test suite            make test PYTEST='tests/losses -x'"
	echo "make check   lint, format, types, spelling, import order"
	echo "make gate-test  the tests of the plain install, in an environment without torch"
	echo "make bench   the speed benchmarks"
	echo "make mutants break what differs from main, line by line: do the tests notice?   FILES=src/modelheir/metrics"
	echo "make venv    only set up .venv, with everything that the others need"

demo: $(CORE)
	$(BIN)/modelheir demo

test: $(FULL)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)

gate-test: $(GATE)/.installed
	OMP_NUM_THREADS=1 $(GATE)/bin/python -m pytest $(PYTEST) $(GATE_LEFT) $(GATE_TESTS)

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

# A demo on a fresh machine installs what training needs; where more was installed before, it is kept in step.
$(CORE): pyproject.toml constraints.txt
	if [ -f $(FULL) ]; then $(MAKE) --no-print-directory $(FULL); \
	else $(call install,$(VENV),.[train],$(SIZE)); touch $(CORE); fi

$(FULL): pyproject.toml constraints.txt
	$(call install,$(VENV),.[$(EXTRAS)],$(SIZE))
	touch $(CORE) $(FULL)

$(GATE)/.installed: pyproject.toml constraints.txt
	$(call install,$(GATE),.[test],0.5 GB on disk)
	touch $@

# The first interpreter that is new enough; without one, uv brings its own and venv gives up with a sentence.
define find_python
new() { command -v "$$1" >/dev/null 2>&1 && "$$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }; \
python=; for one in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python); do \
	if new "$$one"; then python="$$one"; break; fi; \
done
endef

# $(1) the environment, $(2) what to install, $(3) how much that is
define install
set -e; $(find_python); \
if [ -z "$$python" ] && { [ -n "$(PYTHON)" ] || ! command -v uv >/dev/null; }; then \
	echo "modelheir needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not: make PYTHON=/path/to/python3.12" >&2; exit 1; \
fi; \
if [ ! -x $(1)/bin/python ] || ! $(1)/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
	rm -rf $(1); \
	if command -v uv >/dev/null; then uv venv --quiet --seed --python "$${python:-3.12}" $(1); \
	else "$$python" -m venv $(1); fi; \
fi; \
echo "Installing modelheir and what it needs into $(1) (once; $(3)) ..."; \
if ! command -v uv >/dev/null || ! uv pip install --quiet --compile-bytecode --python $(1)/bin/python -c constraints.txt $(INSTALL_ARGS) -e "$(2)"; then \
	$(1)/bin/python -m pip --version >/dev/null 2>&1 || $(1)/bin/python -m ensurepip; \
	$(1)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt $(INSTALL_ARGS) -e "$(2)"; \
fi
endef
