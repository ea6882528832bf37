# What a developer types all day. `make setup` is part of each and does nothing where nothing changed.
#
#   make demo       train a swarm on this machine, from nothing to an audited model (ARGS="--nodes 6" and the like)
#   make test       everything that must hold: contracts, units, ports, chains, one swarm; lint, types, layers
#   make verify     the same questions asked for longer: deep tests, `make contracts`
#   make contracts  ask everything that speaks for the contract: long tests, proofs, analysers, coverage, gas
#   make format     put the code into its form
#   make artifact   compile the contract into the artifact that ships
#   make mutants    put faults into the contract, one at a time, and see that the tests notice (about an hour)
#   make snapshot   measure anew what each call costs
#   make peers      install what merging is measured beside (ByzFL, Flower), in an environment of their own
#
# Needs Python 3.11 or later with venv, Node 20 or later with npm, and nothing else. PYTHON=… picks another Python.

SHELL := /bin/sh
.DEFAULT_GOAL := help

TORCH ?= 2.13.0
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
# The first Python that runs and is new enough; a name that a version manager only pretends to have does not run.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11 python3.14; do \
	"$$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done)

VENV := .venv
BIN := $(VENV)/bin
OS := $(shell uname -s | tr A-Z a-z)
ARCH := $(shell uname -m | sed 's/x86_64/amd64/;s/aarch64/arm64/')
# Not node_modules/.bin/forge, which exits with 0 whatever happens.
FORGE := node_modules/@foundry-rs/forge-$(OS)-$(ARCH)/bin/forge
# Two at once, a file's tests one after the other: most of them wait for a chain or a node, and some need memory.
TESTS := $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder
export FOUNDRY_SOLC := $(CURDIR)/tools/solc

.PHONY: help setup demo test verify format lint formatted types layers contracts contracts-fast contracts-deep coverage mutants artifact snapshot peers

help:
	@sed -n 's/^#   make /make /p' Makefile

# ---------------------------------------------------------------------------------------------------------------- setup

setup: $(VENV)/.installed node_modules/.package-lock.json

$(VENV)/.created:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or later with venv is needed; install it, or name it: make PYTHON=…"; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	@touch $@

# By itself and first: left to the dependencies, pip would fetch several gigabytes for GPUs on Linux.
define install_torch
	@if [ "$(OS)" = linux ] && $(1) -c \
		'import urllib.request as r; r.urlopen("$(TORCH_CPU_INDEX)/torch/", timeout=5)' 2>/dev/null; then \
		$(1) -m pip install --disable-pip-version-check --quiet --index-url $(TORCH_CPU_INDEX) torch==$(TORCH) \
		|| $(1) -m pip install --disable-pip-version-check --quiet torch==$(TORCH); \
	else \
		$(1) -m pip install --disable-pip-version-check --quiet torch==$(TORCH); \
	fi
endef

$(VENV)/.torch: $(VENV)/.created
	$(call install_torch,$(BIN)/python)
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.torch
	$(BIN)/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
	@touch $@

# Apart from ours: what proves and analyses pins other versions of what both need.
.venv-contracts/.installed: tools/gate/requirements.txt $(VENV)/.created
	$(BIN)/python -m venv .venv-contracts
	.venv-contracts/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	@touch $@

# ByzFL would pull torch for GPUs, and torchvision for what we do not measure.
.venv-peers/.installed: benchmarks/peers.txt $(VENV)/.created
	$(BIN)/python -m venv .venv-peers
	$(call install_torch,.venv-peers/bin/python)
	.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet --requirement $<
	.venv-peers/bin/python -m pip install --disable-pip-version-check --quiet --no-deps byzfl==0.0.11
	@touch $@

node_modules/.package-lock.json: package.json package-lock.json
	@command -v npm >/dev/null || { echo "Node 20 or later with npm is needed; install it"; exit 1; }
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# ------------------------------------------------------------------------------------------------------------------ use

demo: setup
	@$(BIN)/swarm-chain demo $(ARGS)

# Lint, types, layers and the contract's tests are tests too (tests/checks), so that the last line speaks of everything.
test: setup
	@$(TESTS) -m "not deep" $(ARGS)

verify: setup
	@$(TESTS) -m deep $(ARGS)

peers: .venv-peers/.installed

format: setup
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

artifact: setup
	$(BIN)/swarm-chain compile

snapshot: setup
	rm -f swarm_chain/artifacts/gas.json
	FORGE_SNAPSHOT_CHECK=false FORGE_SNAPSHOT_EMIT=true $(FORGE) test --match-contract '^GasOf'

# ---------------------------------------------------------------------------------------------------------------- parts

lint: setup
	$(BIN)/ruff check .

formatted: setup
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

layers: setup
	$(BIN)/lint-imports

# As much of the next as `make test` has time for.
contracts-fast: setup
	FORGE_SNAPSHOT_CHECK=true FORGE_SNAPSHOT_EMIT=false $(FORGE) test

# Tests, long walks, 100,000 random inputs, proofs, analysers, coverage, gas, and faults planted to see that these notice.
contracts: setup .venv-contracts/.installed
	@$(BIN)/python -m tools.gate $(ARGS)

# A hundred thousand inputs for every fuzzed property, and the long walks of the invariants.
contracts-deep: setup
	FOUNDRY_PROFILE=deep $(FORGE) test --match-test '^(testFuzz|invariant)_'

# Of the tests of single calls and rules: what only a random walk reaches is not covered. Counting needs code that was
# not optimised, with its own gas and size, so what measures those is left out.
coverage: setup
	FOUNDRY_OUT=forge-out/coverage FOUNDRY_CACHE_PATH=forge-cache/coverage $(FORGE) coverage --report summary \
		--no-match-contract '(Gas|Invariant)' --no-match-test test_GivenTheShippedSettings

# All of them, or a part: ARGS="--help" says how. A run that was stopped goes on where it was.
mutants: setup
	@$(BIN)/python -m tools.mutants $(ARGS)
