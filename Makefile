# Every target sets up what it needs; a second call does no work twice.
SHELL := /bin/bash
PYTHON ?= python3
UV := $(shell command -v uv || echo .uv/bin/uv)
BIN := .venv/bin
export UV_PYTHON_DOWNLOADS := never
# An active environment of the caller's must not catch the installation.
unexport VIRTUAL_ENV CONDA_PREFIX
# Python tests run in a process a core.
SIDE_BY_SIDE := -n auto --maxprocesses 8
# Tests start many processes, and each would compile every module again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check lint chromium protos bench bench-gpu bench-ray bench-service coverage-study speed-study endurance public-clients lock clean
.DEFAULT_GOAL := help

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

setup: .venv/.built ## Make the environment and build the extension: leaves .venv/bin/frbench

demo: setup ## Benchmark the example templates by group and write out/demo/report.html
	@$(BIN)/frbench demo --out out/demo

test: lint chromium ## Run every check: lint, types, Rust tests, Python tests
	cargo test --quiet
	$(BIN)/pytest $(SIDE_BY_SIDE)

check: setup ## Format, lint, types and the unit tests of what changed since the last commit but one (under a minute)
	cargo fmt --check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/pytest $(SIDE_BY_SIDE) $$($(BIN)/python -m tests.changed)

chromium: ## Install the browser of the tests where there is none
	@[ -n "$$CHROMIUM" ] || command -v chromium chromium-browser google-chrome >/dev/null || { apt-get update -q && apt-get install -qy chromium; }

lint: setup ## Format and lint checks, types
	cargo fmt --check
	cargo clippy --quiet --all-targets --all-features -- -D warnings
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/stubtest frbench._rust
	$(BIN)/buf lint protos
	$(BIN)/buf breaking protos --against protos/baseline.binpb

protos: .venv/.packages ## Make python/frbench/v1 from protos/
	$(BIN)/python -m grpc_tools.protoc -I protos --python_out=python --pyi_out=python protos/frbench/v1/*.proto

bench: setup .venv/.peers ## Race peers, answers checked first, and write out/bench.json (15 minutes; see benches/README.md)
	@mkdir -p out
	$(BIN)/pytest benches --benchmark-enable --benchmark-quiet --benchmark-json=out/bench.json

bench-gpu: setup ## Hold the GPU engine to its contract and measure it: benches/records/gpu-*.json (10 minutes; QUICK=1: 3)
	$(UV) pip install --quiet --python $(BIN)/python -r pyproject.toml --extra gpu
	$(BIN)/pytest tests/engines/test_gpu.py tests/engines/test_engines.py -k gpu
	$(BIN)/python -m benches.gpu $(if $(QUICK),--quick)

bench-ray: setup ## What handing tiles to Ray costs, and a plan against a run at a thousandth of its scale (5 minutes)
	$(BIN)/python -m benches.ray_overhead
	$(BIN)/python -m benches.plan_against_run

bench-service: setup ## The service beside a plain servicer and beside the core, its load curve and overload: out/service.json (8 minutes)
	$(BIN)/python -m benches.service $(if $(QUICK),--quick) --out out/service.json

coverage-study: setup ## Simulate how often intervals hold the truth and write docs/coverage*.md, docs/gates.md (15 minutes)
	$(BIN)/python -m studies.coverage --out docs/coverage.md
	$(BIN)/python -m studies.paired --out docs/coverage-paired.md
	$(BIN)/python -m studies.gates --out docs/gates.md

speed-study: setup ## Simulate how often `frbench ab` finds a slowdown and write docs/speed.md (2 minutes)
	$(BIN)/python -m studies.speed --out docs/speed.md

endurance: setup ## What make test does in small: kill a sweep, its workers, a server; send garbage; look for leaks (30 minutes)
	$(BIN)/python -m tests.endurance.kill_and_resume --kills 50
	$(BIN)/python -m tests.endurance.kill_ray_workers --kills 20
	$(BIN)/python -m tests.endurance.kill_while_enrolling --kills 1000
	$(BIN)/python -m tests.endurance.garbage --messages 100000
	$(BIN)/python -m tests.endurance.leaks --searches 100000 --cycles 1000

public-clients: setup ## Ask a server with grpcurl and ghz, which know nothing of its protos (needs Go)
	$(BIN)/python -m tests.endurance.public_clients

lock: .venv/.packages ## Rewrite the two lock files with the newest versions
	$(UV) pip compile --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --group dev --extra ann --extra ray --quiet pyproject.toml -o requirements.lock
	$(UV) pip compile --upgrade --generate-hashes --no-emit-index-url --universal --python-version 3.11 \
	  --group pyproject.toml:bench -c requirements.lock --quiet -o requirements-bench.lock

clean: ## Remove everything that the targets made
	rm -rf .venv .uv target out python/frbench/*.so

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9"

.venv/.packages: requirements.lock $(if $(filter .uv/%,$(UV)),.uv/bin/uv)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv
	$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements.lock
	@touch $@

.venv/.peers: requirements-bench.lock .venv/.packages
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements-bench.lock
	@touch $@

.venv/.built: .venv/.packages pyproject.toml Cargo.toml Cargo.lock $(shell find rust -name '*.rs')
	VIRTUAL_ENV=$(CURDIR)/.venv PATH="$(CURDIR)/$(BIN):$(dir $(abspath $(UV))):$$PATH" \
	  $(BIN)/maturin develop --release --quiet --locked --uv
	@touch $@
