# Two commands are enough: `make demo` and `make test`. Everything they need is made in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BUILD := .build
FUZZ_SECONDS ?= 600
SOURCES := $(shell find qwenbatch -type f -not -path '*/__pycache__/*') pyproject.toml README.md

.PHONY: demo test check soak fuzz bench floors format clean help

help:
	@echo "make demo    edit five pictures in the sandbox: no key, no cost"
	@echo "make test    all tests, on the package as it is installed from its wheel"
	@echo "make soak    a death at every step, a hundred at random moments, storms, a fleet's deaths, held against the sandbox's books"
	@echo "make fuzz    mutated manifests, pictures, answers and ledgers, for FUZZ_SECONDS (600) in all"
	@echo "make bench   speed, memory and scale against peers, as one table of ratios"
	@echo "make check   formatter, linter, types, the floors of the house and of the dependencies"
	@echo "make format  put the code into its form"
	@echo "make clean   remove what was made"

demo: $(BUILD)/installed
	$(BIN)/qwenbatch run jobs/demo.jsonl --sandbox -o out/demo
	$(BIN)/qwenbatch report out/demo
	@echo "Open out/demo/report.html: every picture before and after."

test: $(BUILD)/environment $(BUILD)/installed
	$(BIN)/pytest --numprocesses 2 $(PYTEST)

soak: $(BUILD)/environment $(BUILD)/installed
	SOAK_KILLS=100 SOAK_ROUNDS=20 $(BIN)/pytest --numprocesses 2 -m "soak or not soak" -rP \
		tests/e2e/test_e2e_kills.py tests/e2e/test_e2e_steps.py tests/e2e/test_e2e_storm.py
	$(BIN)/pytest --numprocesses 2 --dist loadfile -m soak tests/fleet

fuzz: $(BUILD)/environment $(BUILD)/installed
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/pytest -m fuzz -rP --timeout 0 tests/fuzz

bench: $(BUILD)/environment
	$(BIN)/python -m tests.benchmarks $(BENCH)

check: $(BUILD)/environment $(BUILD)/floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(BUILD)/environment
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) $(BUILD) out

# What the package needs, at pinned versions.
$(BUILD)/runtime: pyproject.toml .ci/constraints.txt .ci/dependencies.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt --upgrade pip
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt hatchling \
		$$($(BIN)/python .ci/dependencies.py)
	mkdir -p $(BUILD)
	touch $@

# What working on it needs besides.
$(BUILD)/environment: $(BUILD)/runtime
	$(BIN)/pip install --quiet --constraint .ci/constraints.txt --group dev
	touch $@

# The package, installed from its wheel: what is tested is what is shipped.
$(BUILD)/installed: $(BUILD)/runtime $(SOURCES)
	rm -rf $(BUILD)/wheel
	$(BIN)/pip wheel --quiet --no-deps --no-build-isolation --wheel-dir $(BUILD)/wheel .
	$(BIN)/pip install --quiet --no-deps --force-reinstall $(BUILD)/wheel/*.whl
	touch $@

# The lowest versions that pyproject.toml allows really do: one run of the demo with them.
$(BUILD)/floors: $(BUILD)/installed .ci/dependencies.py
	rm -rf $(BUILD)/lowest $(BUILD)/lowest-out
	$(PYTHON) -m venv $(BUILD)/lowest
	$(BUILD)/lowest/bin/pip install --quiet $$($(BIN)/python .ci/dependencies.py --lowest)
	$(BUILD)/lowest/bin/pip install --quiet --no-deps $(BUILD)/wheel/*.whl
	$(BUILD)/lowest/bin/qwenbatch run jobs/demo.jsonl --sandbox -o $(BUILD)/lowest-out --quiet
	touch $@
