# Everything a developer, CI and a nightly run need. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

UV := $(CURDIR)/.tools/bin/uv
BIN := $(CURDIR)/.venv/bin
ASV := $(BIN)/asv
MACHINE ?= $(shell hostname)
RANGE ?=
BASE ?= main
BENCH ?=
ASV_FLAGS ?=
RUNS ?= 8
AA ?= $(shell ls -td .asv/aa/* 2>/dev/null | head -1)
PORT ?= 8080
SESSIONS ?= 1 4 16 64 200
ACTIONS ?= 10000
OPENINGS ?= 1000

# Ray, and what is measured, must not be told where to find another cluster or another package.
unexport RAY_ADDRESS PYTHONPATH
# Bytecode is compiled at installation; without it every process would compile OpenHands anew.
unexport PYTHONDONTWRITEBYTECODE

export PATH := $(BIN):$(CURDIR)/.tools/bin:$(PATH)

.PHONY: help setup system bench compare report aa aa-study performance scaling soak preview publish test test-long lint lint-workflows format lock \
	clean

help: ## Show this
	@echo "Usage: make TARGET"; echo
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12 | sed 's/^/  /'
	@echo; echo "Examples:"
	@echo "  make bench                       the newest two commits"
	@echo "  make bench RANGE=v0.1.0..main    a range of commits"
	@echo "  make bench BENCH=Command         the benchmarks whose name matches"
	@echo "  make compare BASE=v0.1.0         is HEAD worse than a release?"

setup: .venv/.ready system ## Make .venv with everything in it

.tools/bin/uv:
	@scripts/install-uv $(CURDIR)/.tools

.venv/.ready: requirements/dev.txt pyproject.toml | .tools/bin/uv
	@echo "== Installing the environment (.venv)"
	@[ -x $(BIN)/python ] || $(UV) venv --quiet --python "$$(scripts/find-python)" .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

system: ## Install Chromium and bubblewrap, through apt where that is possible
	@scripts/install-system

bench: setup ## Measure commits (RANGE=, by default the newest two), publish the site, print the verdict
	@scripts/bench "$(RANGE)" "$(BENCH)" "$(MACHINE)" $(ASV_FLAGS)

compare: setup ## Measure where BASE= (by default main) and HEAD part, and HEAD, in turn, and print the verdict
	@base=$$(git merge-base "$(BASE)" HEAD) && head=$$(git rev-parse HEAD) && \
	scripts/compare "$$base" "$$head" "$(MACHINE)" "$(BENCH)" $(ASV_FLAGS) && \
	{ $(BIN)/openhands-ray check "$$base" "$$head" --machine "$(MACHINE)" || [ $$? -eq 3 ]; } # as benchmark.yml decides

report: setup ## Write the validation report of the newest measured commit, .asv/report.html
	@$(BIN)/openhands-ray report --html --output .asv/report.html

aa: setup ## Measure HEAD RUNS= times (by default 8) and print the noise, above which thresholds for single runs must be
	@scripts/aa "$(RUNS)" "$(BENCH)" $(ASV_FLAGS)

aa-study: setup ## Write docs/noise.md, and the thresholds, from the runs that `make aa` kept of a commit (AA=, by default the newest)
	@$(BIN)/python -m openhands_ray.history.study "$(AA)" --thresholds .asv/thresholds.json > docs/noise.md
	@echo "Written: docs/noise.md, and .asv/thresholds.json, for asv.conf.json"

performance: setup ## Measure HEAD beside references and peers, write docs/performance.md
	@$(ASV) machine --yes --machine "$(MACHINE)" >/dev/null
	@BENCHMARK_ALL=1 $(ASV) run 'HEAD^!' --machine "$(MACHINE)" --show-stderr \
		--bench '^(machine|ratios|peers|initialization|resources|growth)'
	@$(BIN)/python -m openhands_ray.history.performance --plot docs/images/growth.svg > docs/performance.md
	@$(BIN)/python -W ignore scripts/profile_actions.py >> docs/performance.md
	@echo "Written: docs/performance.md"

publish: setup ## Make the site of what was measured
	@$(ASV) publish

preview: setup ## Serve the site at http://127.0.0.1:8080 (PORT=)
	@$(ASV) preview --port $(PORT)

scaling: setup ## Measure many sessions on a cluster of logical nodes, write docs/scaling.md (SESSIONS=)
	@$(BIN)/python tests/scaling.py docs/scaling.json $(SESSIONS)
	@$(BIN)/python tests/scaling.py docs/scaling.json > docs/scaling.md
	@echo "Written: docs/scaling.md"

soak: setup ## Do many actions and sessions, write docs/soak.md (ACTIONS=, OPENINGS=)
	@$(BIN)/python -W ignore tests/soak.py docs/soak.json --actions $(ACTIONS) --sessions $(OPENINGS)
	@$(BIN)/python -W ignore tests/soak.py docs/soak.json > docs/soak.md
	@echo "Written: docs/soak.md"

# pytest's status is 5 where none of a part's tests was asked for.
test: setup ## Pass the tests, every behaviour once (PYTEST_FLAGS=)
	@start=$$(date +%s); beside=0; alone=0; mkdir -p .cache; \
	$(BIN)/python -m pytest -m "not long and not alone" --numprocesses 2 --dist loadfile --no-loadscope-reorder \
		--junit-xml .cache/tests-side-by-side.xml $(PYTEST_FLAGS) || beside=$$?; \
	$(BIN)/python -m pytest -m "not long and alone" --junit-xml .cache/tests-alone.xml $(PYTEST_FLAGS) || alone=$$?; \
	echo "make test: $$(( $$(date +%s) - start )) s"; \
	case "$$beside $$alone" in "0 0"|"0 5"|"5 0") ;; *) exit 1;; esac

test-long: setup ## Pass the tests that take longer, too
	@start=$$(date +%s); $(BIN)/python -m pytest --timeout 3600 $(PYTEST_FLAGS); \
	echo "make test-long: $$(( $$(date +%s) - start )) s"

lint: .venv/.ready ## Check style (ruff) and types (mypy)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lint-workflows: ## Check the workflows (actionlint)
	@scripts/lint-workflows

format: .venv/.ready ## Format the code
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

LOCK = $(UV) pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-annotate \
	--custom-compile-command "make lock"
lock: .tools/bin/uv ## Lock the dependencies anew, with hashes
	$(LOCK) --extra browser pyproject.toml --output-file requirements/worker.txt
	$(LOCK) --extra client --extra browser --extra history pyproject.toml --output-file requirements/bench.txt
	$(LOCK) --extra client --extra browser --extra history --group dev pyproject.toml \
		--output-file requirements/dev.txt

clean: ## Remove what was built, measured and installed here
	rm -rf .asv .cache .tools .venv build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
