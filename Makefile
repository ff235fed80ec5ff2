# edgewise. `make help` is the documentation of this file: if it does not say enough, that is a bug.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := operator runtime-images tests examples

##@ Use it
.PHONY: demo
demo: $(VENV)/.installed ## The whole product: cluster (KUBECONFIG set: that one), images, chart, examples, real inference (about 15 min cold, 3 min warm).
	@$(BIN)/python -m tests.demo

.PHONY: cluster-up
cluster-up: $(VENV)/.installed ## Start the embedded test cluster: control plane and six real nodes (KUBECONFIG set: check that one instead).
	@$(BIN)/python -m tests.cluster up

.PHONY: cluster-down
cluster-down: $(VENV)/.installed ## Take it down; leaves no process, mount, namespace, bridge or cgroup behind. Safe to repeat.
	@$(BIN)/python -m tests.cluster down

.PHONY: images
images: $(VENV)/.installed ## Build the operator, runtime and Triton images; REGISTRY=[http://]host/path pushes them, a running test cluster loads them. PLATFORMS=linux/amd64,linux/arm64: one name for a mixed fleet.
	@$(BIN)/python -m tests.cluster images $(if $(REGISTRY),--registry $(REGISTRY)) $(if $(PLATFORMS),--platforms $(PLATFORMS))

##@ Work on it
.PHONY: test
test: lint verify ## Everything CI runs (at most 40 min on a fresh machine). Unit tests run beside the cluster's, which mostly wait.
	@mkdir -p build; status=0; $(MAKE) test-apiserver || status=$$?; \
	nice -n 19 $(MAKE) -k test-unit test-arm64 >build/test-beside.log 2>&1 & beside=$$!; \
	$(MAKE) test-cluster || status=$$?; \
	echo "unit tests and arm64, which ran beside (build/test-beside.log):"; \
	if wait $$beside; then grep -E "(passed|skipped).* in " build/test-beside.log; else status=1; cat build/test-beside.log; fi; \
	exit $$status

.PHONY: test-unit
test-unit: $(VENV)/.installed prerequisites ## Pure decisions, protocol, runtime on this machine: no cluster.
	@$(BIN)/pytest -q -m "not apiserver and not cluster and not arm64"

.PHONY: test-apiserver
test-apiserver: $(VENV)/.installed prerequisites ## Operator, CRDs and chart against a real API server (etcd + kube-apiserver).
	@$(BIN)/pytest -q -m apiserver

.PHONY: test-cluster
test-cluster: $(VENV)/.installed prerequisites cluster-down ## End to end on a test cluster of its own: real kubelets, cut links, real Triton.
	@status=0; $(BIN)/pytest -q -m cluster || status=$$?; $(BIN)/python -m tests.cluster down; exit $$status

.PHONY: test-arm64
test-arm64: $(VENV)/.installed prerequisites ## The images for arm64: built, published, and the runtime really run, emulated.
	@$(BIN)/pytest -q -m arm64

.PHONY: lint
lint: $(VENV)/.installed ## ruff, mypy --strict, import-linter.
	@$(BIN)/ruff check $(SOURCES)
	@$(BIN)/ruff format --check $(SOURCES)
	@$(BIN)/mypy operator/edgewise runtime-images/edgewise_runtime tests examples
	@$(BIN)/lint-imports

.PHONY: format
format: $(VENV)/.installed ## Let ruff format and sort.
	@$(BIN)/ruff format $(SOURCES)
	@$(BIN)/ruff check --fix $(SOURCES)

.PHONY: generate
generate: $(VENV)/.installed ## Write what is generated: CRDs, the chart's copies, the field reference.
	@$(BIN)/python -m edgewise.schema

.PHONY: verify
verify: $(VENV)/.installed ## Generated files are up to date.
	@$(BIN)/python -m edgewise.schema --check

.PHONY: bench-main
bench-main: $(VENV)/.installed prerequisites ## Figures of the main job on the test cluster, into build/bench/main.json.
	@$(BIN)/python -m tests.bench.main

.PHONY: bench-serving
bench-serving: $(VENV)/.installed prerequisites ## Figures of the runtime against KServe, MLServer and PyTriton, into build/bench/serving.json (about 20 min; ONLY=health,overload: some).
	@$(BIN)/python -m tests.bench.serving $(if $(ONLY),--only $(ONLY))

.PHONY: bench-hybrid
bench-hybrid: $(VENV)/.installed prerequisites ## What cloud help is worth, and what it costs, into build/bench/hybrid.json (ONLY=accuracy,faults: some).
	@$(BIN)/python -m tests.bench.hybrid $(if $(ONLY),--only $(ONLY))

.PHONY: bench-ota
bench-ota: $(VENV)/.installed prerequisites ## New versions over 500 simulated devices and five real nodes behind bad links, and what they weigh, into build/bench/ota.json (ONLY=fleet,writes: some; what was measured when it is ended lies in build/bench/partial).
	@$(BIN)/python -m tests.bench.ota $(if $(ONLY),--only $(ONLY))

.PHONY: bench-http-layers
bench-http-layers: $(VENV)/.installed prerequisites ## HTTP layers the runtime could have had, into build/bench/http-layers.json (a minute).
	@$(BIN)/python -m tests.bench.layers

.PHONY: bench-report
bench-report: $(VENV)/.installed ## All figures in build/bench, with plots, into docs/benchmarks.md.
	@$(BIN)/python -m tests.bench.report

.PHONY: prerequisites
prerequisites: $(VENV)/.installed ## Install the Debian packages that tests and demo need (nothing where they are there).
	@$(BIN)/python -m tests.cluster prerequisites

$(VENV)/.installed: pyproject.toml
	@echo "installing edgewise and its development tools into $(VENV) …"
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { apt-get update -qq && apt-get install -y -qq python3-venv; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -q --disable-pip-version-check -e '.[dev]'
	@touch $@

.PHONY: clean
clean: ## Remove what was built (not the machine-wide cache of the test cluster).
	@rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

##@ Help
.PHONY: help
help: ## This text.
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} /^[a-zA-Z_-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
