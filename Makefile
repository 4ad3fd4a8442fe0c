# Every target works from a fresh clone with Python 3.11, make and the package registries.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_WORKERS ?= 2

IMAGE_TOOL ?= $$(command -v podman || command -v buildah || command -v docker)
IMAGE_ARGS ?=
# A mirror or a file of sources of this machine; empty for Debian's own.
DEBIAN_SOURCES ?=
BASE_PACKAGES ?= ca-certificates,python-is-python3,python3,python3-venv

BEFORE ?=
BENCH_ARGS ?=

.PHONY: help demo test bench profile format lint types imports contracts static check docs golden lock newest monai audit wheels bundle image image-base clean

help: ## this list
	@grep -hE '^[A-Za-z0-9_-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(STAMP): requirements.lock pyproject.toml hatch_build.py $(wildcard schemas/native/*.[ch])
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "livercohort needs Python 3.11 or newer: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP) ## simulate exports, ingest two nights, release twice, build the report
	$(BIN)/livercohort demo $(DEMO_ARGS)

test: $(STAMP) ## the whole test suite
	$(BIN)/python -m pytest -n $(PYTEST_WORKERS) --dist loadgroup $(PYTEST_ARGS)

profile: $(STAMP) ## where the time of each stage goes, by function and by module, into benchmarks/results/profiles.md
	PYTHONPATH=. $(BIN)/python -m benchmarks.profiles $(BENCH_ARGS)

bench: $(STAMP) ## what each stage costs beside its peers (BEFORE=another checkout, BENCH_ARGS=--reduced)
	PYTHONPATH=. $(BIN)/python -m benchmarks.stages --peers .venv-peers $(if $(BEFORE),--before $(BEFORE)) $(BENCH_ARGS)

format: $(STAMP) ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: $(STAMP) ## format and lint, nothing rewritten
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

imports: $(STAMP) ## who may import whom
	$(BIN)/lint-imports

contracts: $(STAMP) ## the signed tables as a night reads them, and the contracts as others do
	$(BIN)/livercohort rules check
	$(BIN)/python .ci/lint_contracts.py

static: lint types imports contracts ## format, lint, types, import order, contracts: no test is run

check: static ## lint, types, imports, contracts, then the fast tests with branch coverage
	$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist loadgroup -m "not slow" --cov --cov-report=term:skip-covered $(PYTEST_ARGS)

docs: $(STAMP) ## rewrite what the manual says of the code: commands, rules, reasons
	$(BIN)/python docs/make_docs.py

golden: $(STAMP) ## rewrite the golden files; review the diff before committing
	LIVERCOHORT_WRITE_GOLDEN=1 $(BIN)/python -m pytest tests/golden

lock: ## resolve requirements.lock anew (needs uv)
	uv pip compile pyproject.toml --extra dev --extra dask --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11 -o requirements.lock

newest: ## try the newest versions that pyproject lets in: do nights still start by the clock?
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python -m pip install -qq --disable-pip-version-check --upgrade -e '.[dev,dask]'
	.venv-newest/bin/python -m pytest tests/flows/test_versions.py tests/flows/test_deploy.py tests/flows/test_clock.py

monai: $(STAMP) ## the training loop of an export's README in the current MONAI, in its own environment (needs the network)
	rm -rf .venv-monai && $(PYTHON) -m venv .venv-monai
	.venv-monai/bin/python -m pip install -qq --disable-pip-version-check --no-compile --no-deps --require-hashes -r benchmarks/analyst/monai.lock || \
	  { echo "monai.lock cannot be had here (above is why): the usual build of torch is taken, some 5 GB"; \
	    .venv-monai/bin/python -m pip install -qq --disable-pip-version-check -r benchmarks/analyst/peers.txt; }
	$(BIN)/python benchmarks/analyst/small_export.py .venv-monai/export
	.venv-monai/bin/python benchmarks/analyst/training_loop.py .venv-monai/export

audit: $(STAMP) ## known vulnerabilities of what the lock names (needs the network)
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install -qq --disable-pip-version-check pip-audit
	.venv-audit/bin/pip-audit --require-hashes --disable-pip -r requirements.lock

wheels: $(STAMP) ## wheels for Linux x86-64 and arm64 into dist/wheels (for the other one: a compiler for it)
	$(BIN)/python .ci/wheels.py dist/wheels

bundle: $(STAMP) ## what a machine without a network needs: wheels, SBOM, services (needs the network)
	$(BIN)/python .ci/bundle.py dist/bundle

image: ## a container image from the bundle (needs podman, buildah or docker, and the base image)
	$(IMAGE_TOOL) build $(IMAGE_ARGS) -f Containerfile -t livercohort:local .

image-base: ## a base image from Debian's packages, where no registry is in reach (needs mmdebstrap; then make image IMAGE_ARGS='--build-arg BASE=localhost/livercohort-base:local')
	mkdir -p dist
	mmdebstrap --variant=minbase --include=$(BASE_PACKAGES) bookworm dist/base.tar $(DEBIAN_SOURCES)
	$(IMAGE_TOOL) build $(IMAGE_ARGS) -f packaging/Containerfile.base -t localhost/livercohort-base:local .
	rm dist/base.tar

clean: ## remove the environment and caches, keep var/
	rm -rf $(VENV) .venv-newest .venv-audit .venv-peers .venv-profiler .venv-monai .pytest_cache .mypy_cache .ruff_cache .coverage* dist build
