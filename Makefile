# The commands of the project. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# Where CI is set, what failed of a layer that depends on the machine's pace runs once more by itself before the layer fails; both are told.
ONCE_MORE = $(if $(CI),|| $(BIN)/python -m pytest -q $(1) --last-failed --last-failed-no-failures=none)

.DEFAULT_GOAL := help
.PHONY: help preflight setup check format protos unit integration conformance contract simulation simulate simulate-proof e2e slow \
	renderer tools planes demo demo-real bench ready test test-long lock

help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

preflight: ## Name what this machine lacks, and the command that brings it
	@$(PYTHON) .ci/preflight.py

setup: preflight $(STAMP) ## Make the virtual environment from the lock file (1 minute)

$(STAMP): requirements/dev.lock pyproject.toml
	@echo "==> virtual environment (about 1 minute)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

protos: setup ## Generate the protocol's code anew after a change of its sources
	@$(BIN)/python -m grpc_tools.protoc -I . --python_out=. protos/v1/*.proto
	@$(BIN)/python -m grpc_tools.protoc -I . --grpc_python_out=. protos/v1/link.proto

renderer: setup ## Build the renderer alone (2 minutes once per machine)
	@$(BIN)/python -m e2e.tools ensure render

tools: setup ## Build the Go tools the tests run (13 minutes once per machine, kept in the user's cache folder)
	@$(BIN)/python -m e2e.tools ensure render controlplane kwok registry sops age-keygen

planes: tools ## Start three real control planes to try things on, until Ctrl-C
	@$(BIN)/python -m e2e.planes

ready: # What the tests of all layers need; says so before the long work begins
	@$(PYTHON) .ci/preflight.py planes
	@echo "==> everything is here; the first run on a machine builds the test clusters and the foreign commands (13 minutes), then the tests take about 17"
	@$(MAKE) --no-print-directory tools

demo: renderer ## A tour of a fleet in memory: commits, drift, a bad commit, a cluster cut off (1 minute, the first time on a machine 4)
	@$(BIN)/hub demo --render "$$($(BIN)/python -m e2e.tools path render)" $(DEMO)

demo-real: ## The same tour on real control planes (as root; 2 minutes, the first time on a machine 12)
	@$(PYTHON) .ci/preflight.py demo
	@$(MAKE) --no-print-directory tools
	@$(BIN)/python -m e2e.demo $(DEMO)

bench: tools ## Figures of speed and cost, one JSON line each (as root; BENCH="--quick" for three minutes, names for some)
	@$(BIN)/python -m e2e.bench $(BENCH)

check: setup ## Format, lint, types, import contracts
	@echo "==> static checks"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

unit: renderer ## Unit tests and every wired conformance file (3 minutes)
	@echo "==> unit and conformance"
	@$(BIN)/python -m pytest -q tests --ignore=tests/simulation --ignore=tests/integration \
		$(call ONCE_MORE,tests --ignore=tests/simulation)

integration: renderer ## Hub, agents and commands together, on API servers in memory (2 minutes)
	@echo "==> integration"
	@$(BIN)/python -m pytest -q tests/integration $(call ONCE_MORE,tests/integration)

conformance: setup ## Every wired conformance file, a test per case (CONFORMANCE_DIR names the folder)
	@$(BIN)/python -m pytest -q tests/conformance

simulation: renderer ## Hub and agents on a seeded clock and network that drops, repeats and kills, 1,000 times (3 minutes)
	@echo "==> simulation"
	@$(BIN)/python -m pytest -q -n 2 tests/simulation --ignore=tests/simulation/test_whole.py

simulate: renderer ## More simulated fleets (SEEDS=10000), also on API servers in memory, or one alone as it went before (SEED=17)
	@SEEDS=$(or $(SEEDS),2000) SEED=$(SEED) $(BIN)/python -m pytest -q $(if $(SEED),,-n 2) tests/simulation/test_fleet.py \
		tests/simulation/test_whole.py

simulate-proof: setup ## Faults that are planted in a copy of the code, each of which the simulation must find (4 minutes)
	@$(BIN)/python -m tests.simulation.prove

contract: tools ## What the unit tests' in-memory API server must do, on a real one (as root)
	@echo "==> contract"
	@$(BIN)/python -m pytest -q e2e/contract $(call ONCE_MORE,e2e/contract)

e2e: tools ## Scenarios on real control planes and servers (as root; 9 minutes)
	@echo "==> end to end"
	@$(BIN)/python -m pytest -q e2e --ignore=e2e/contract -m "not slow" --durations=12 $(call ONCE_MORE,e2e)

slow: tools ## The long scenarios, some with the waiting times of production, and more simulated fleets
	@echo "==> long scenarios"
	@$(BIN)/python -m pytest -q e2e -m slow --durations=25 $(call ONCE_MORE,e2e)
	@echo "==> simulated fleets on API servers in memory"
	@$(BIN)/python -m pytest -q -n 2 tests/simulation/test_whole.py
	@echo "==> planted faults are found"
	@$(MAKE) --no-print-directory simulate-proof
	@echo "==> the short benches still run"
	@$(BIN)/python -m e2e.bench --quick

test: ready ## Everything there is to run (as root; 17 minutes, the first time on a machine 27)
	@$(PYTHON) .ci/layers.py check unit integration simulation contract e2e

test-long: ready ## What does not fit into `make test` (as root; half an hour)
	@$(PYTHON) .ci/layers.py slow

PIN := $(BIN)/pip-compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links \
	--no-emit-trusted-host --strip-extras --allow-unsafe

lock: $(STAMP) ## Write the lock files anew after a change of dependencies
	@$(BIN)/pip install --quiet pip-tools
	@$(PIN) --extra dev --extra hub -o requirements/dev.lock pyproject.toml
	@$(PIN) --constraint requirements/dev.lock --extra hub -o requirements/hub.lock pyproject.toml
	@$(PIN) --constraint requirements/dev.lock -o requirements/agent.lock pyproject.toml
