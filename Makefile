# `make help` lists the targets. Everything a target needs is installed by the target.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST_CLUSTER ?= zkop-test
NODES ?= 3
# Every cluster that a target or a test makes.
STATE ?= /var/lib/zkoperator-testbed
CLUSTERS = zkop $(TEST_CLUSTER) zkop-bench testbed-0 testbed-1 testbed-3

# What costs most is shown at the end of each part; docs/tests.md has the budget.
SLOWEST = --durations=15 --durations-min=5

# The order of sets decides some episodes of the models: with it fixed, the seed that a failure names repeats it.
export PYTHONHASHSEED ?= 0

.DEFAULT_GOAL := help
.PHONY: help check unit servers e2e test faults bench crds docs plugin release-base release-base-check requirements cluster cluster-down demo clean clean-cache

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

$(STAMP): requirements/runtime.txt requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --require-hashes -r requirements/runtime.txt
	$(BIN)/pip install --quiet --require-hashes -r requirements/dev.txt
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

check: $(STAMP) ## Lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests bench
	PYTHONPATH=operator $(BIN)/lint-imports

unit: $(STAMP) ## Tests of the pure parts (seconds)
	$(BIN)/pytest -n 4 $(SLOWEST) tests/properties tests/unit

servers: $(STAMP) ## Tests against real ZooKeeper servers and a real API server
	$(BIN)/python -m testbed build
	$(BIN)/pytest -n 4 $(SLOWEST) --dist loadfile --no-loadscope-reorder tests/faults tests/integration tests/contract

e2e: $(STAMP) ## Tests of the operator's image on a whole cluster
	./tests/e2e/run $(BIN)/python $(TEST_CLUSTER) $(NODES)

test: check unit servers e2e ## All of the above

faults: $(STAMP) ## Every case of every fault class (hours)
	$(BIN)/pytest -n 2 --hypothesis-profile new tests/properties
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m exhaustive --timeout 7200 tests/unit tests/properties tests/contract tests/integration tests/faults
	./tests/e2e/run $(BIN)/python $(TEST_CLUSTER) $(NODES) -m exhaustive --timeout 7200

bench: $(STAMP) ## Figures, as ratios within one run; kept in bench/
	$(BIN)/python -m bench --save

crds: $(STAMP) ## Write crds/, the reference and the chart's files from the types
	$(BIN)/python -m zkoperator crds --write crds
	$(BIN)/python -m zkoperator docs --write docs
	$(BIN)/python -m testbed.monitoring
	$(BIN)/python -m testbed.chart

docs: $(STAMP) ## The documentation as a site, in build/site
	$(BIN)/python -m testbed.site

plugin: $(STAMP) ## The archive and manifest of `kubectl zk` for krew, in dist/
	$(BIN)/python -m testbed.krew

release-base: $(STAMP) ## Keep what this version leaves in a cluster, as the base of the next one's upgrade test
	$(BIN)/python -m tests.support.models.release_base --write

release-base-check: $(STAMP) ## Tell whether that file is the one of this version
	$(BIN)/python -m tests.support.models.release_base --check

requirements: $(STAMP) ## Pin the dependencies again, with hashes
	$(BIN)/pip-compile --quiet --upgrade --generate-hashes --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --no-header -o requirements/runtime.txt pyproject.toml
	cd requirements && ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --no-header -o dev.txt dev.in
	cd requirements && ../$(BIN)/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --strip-extras --no-header -o docs.txt docs.in

cluster: $(STAMP) ## A local Kubernetes of NODES nodes
	$(BIN)/python -m testbed up --nodes $(NODES)

cluster-down: $(STAMP) ## Remove it; its logs stay
	$(BIN)/python -m testbed down

demo: $(STAMP) ## The story: a cluster, a change both ways, a killed leader, growth
	$(BIN)/python -m testbed.demo

# The virtual environment goes last: it knows how to remove a cluster.
clean: ## Remove the clusters, their logs and everything that git ignores; what was built stays in the cache
	test ! -x $(BIN)/python || $(BIN)/python -m testbed clean $(CLUSTERS)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find . -name .git -prune -o \( -name __pycache__ -o -name '*.egg-info' \) -prune -exec rm -rf {} +

clean-cache: ## Remove what was built and downloaded for clusters, for all checkouts
	@! ls $(STATE)/*/cluster.json 2>/dev/null || { echo "a cluster is up; first: make clean" >&2; exit 1; }
	rm -rf "$${XDG_CACHE_HOME:-$$HOME/.cache}/zkoperator-testbed"
