# Every target is safe to repeat.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
ROUNDS ?= 100
SEED ?= 0

.PHONY: demo test check format docs bench bench-report calibration chaos install clean

install: $(STAMP)

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("fairsweep needs Python 3.11 or newer; this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(DEV_STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@ $(STAMP)

demo: $(STAMP)
	$(BIN)/fairsweep launch quickstart

test: $(DEV_STAMP)
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(DEV_STAMP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(DEV_STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(DEV_STAMP)
	$(BIN)/python -m tests.benchmarks.overhead
	$(BIN)/python -m tests.benchmarks.recording
	$(BIN)/python -m tests.benchmarks.slots
	$(BIN)/python -m tests.benchmarks.scale
	$(BIN)/python -m tests.benchmarks.schedules
	$(BIN)/python -m tests.benchmarks.engine

bench-report: $(DEV_STAMP)
	$(BIN)/python -m tests.benchmarks.report

chaos: $(DEV_STAMP)
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED)

docs: $(DEV_STAMP)
	$(BIN)/python -m tests.sweeps.schedule_page

calibration: $(DEV_STAMP)
	$(BIN)/python -m tests.calibration

clean:
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
