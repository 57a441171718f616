# Everything a person runs, and CI runs the same. `make` alone lists it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
TORCH_INDEX := https://download.pytorch.org/whl/cpu
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
MODEL ?= qwen2.5-0.5b
ROWS ?= 400

SHOW ?= 12

# A test process for each core, with one thread: OpenBLAS and torch would have one for each core in every process.
PYTEST := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal
# Whoever sets it: thousands of modules are not compiled anew by each of dozens of processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test check torture test-slow test-engine format lock bench clean sentiment translate generate reply classify extract

help:  ## list these targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: $(VENV)/.ready  ## install Textmill, the engine and the tools, from the lock, into .venv

$(VENV)/.ready: requirements-cpu.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' \
		|| { echo "The lock is for Python 3.11; $(PYTHON) is another. Say make PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing into $(VENV), once (3 GB, about two minutes) …"
	@$(PYTHON) -m venv $(VENV)
	@# The CPU build of torch is not on the main index; where pip is not told of a place that has it, PyTorch's own has.
	@$(PIP_INSTALL) --require-hashes -r requirements-cpu.lock 2>$(VENV)/pip.log \
		|| $(PIP_INSTALL) --require-hashes -r requirements-cpu.lock --extra-index-url $(TORCH_INDEX) \
		|| { cat $(VENV)/pip.log; exit 1; }
	@$(PIP_INSTALL) --no-build-isolation --editable .
	@touch $@

demo: setup  ## real product reviews, judged by a real LLM, compared with people
	@$(BIN)/textmill sample reviews demo/reviews.parquet --source amazon
	@$(BIN)/textmill sentiment demo/reviews.parquet demo/sentiment --model $(MODEL) --sample $(ROWS) --show 12
	@$(BIN)/textmill evaluate demo/sentiment

# One job: $(call job,COMMAND,SAMPLE,FLAGS). Without INPUT it runs on the sample of that name.
define job
@$(if $(INPUT),,$(BIN)/textmill sample $(2) demo/$(2).parquet)
@$(BIN)/textmill $(1) $(or $(INPUT),demo/$(2).parquet) $(or $(OUTPUT),demo/$(1)) --model $(MODEL) --show $(SHOW) $(or $(ARGS),$(3))
endef

sentiment: setup  ## judge texts: make sentiment INPUT=reviews.parquet OUTPUT=results/reviews [ARGS='--aspect price'] [MODEL=…]
	$(call job,sentiment,reviews,--sample $(ROWS))

translate: setup  ## translate texts; like the next ones, on a sample unless you say INPUT= and OUTPUT= (and ARGS=)
	$(call job,translate,sentences,--to es --to de --glossary jobs/data/glossary.toml)

generate: setup  ## write content from briefs
	$(call job,generate,briefs,)

reply: setup  ## draft replies to support conversations
	$(call job,reply,conversations,)

classify: setup  ## sort texts by labels of your own
	$(call job,classify,tickets,--labels jobs/data/labels.toml)

extract: setup  ## take typed columns out of texts, by a JSON schema
	$(call job,extract,tickets,--schema jobs/data/order.schema.json)

test: check test-slow test-engine  ## all checks and tests (CI runs this)

check: setup  ## the fast part: style, types, import rules, the tests that are fast
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) -m "not engine and not slow"

torture: setup  ## half an hour of kills, damaged input and faults: SEED=1 repeats one
	$(BIN)/python -m tests.torture kills --number 300 $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.torture fuzz --number 2000 $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.torture faults $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.torture day --number 24 $(if $(SEED),--seed $(SEED))
	$(BIN)/python -m tests.torture real --number 10 $(if $(SEED),--seed $(SEED))

test-slow: setup  ## the tests that take their time: worker processes, kills, trainings, long texts
	$(PYTEST) -m "slow and not engine"

test-engine: setup  ## the tests on the real engine (smollm2-135m, fetched on first use)
	$(BIN)/pytest -m engine

format: setup  ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock:  ## resolve requirements-cpu.lock anew (needs uv; say where torch's CPU wheels are with TORCH_LINKS=…)
	@.ci/lock $(if $(TORCH_LINKS),--find-links $(TORCH_LINKS),--extra-index-url $(TORCH_INDEX))

bench: setup  ## quick measurements: a job against the bare engine, and the pipeline without an engine
	$(BIN)/python benchmarks/engine_efficiency.py --pairs 3
	$(BIN)/python benchmarks/pipeline_ceiling.py --rows 50000 --rows 200000

clean:  ## remove what was built here; models and completions stay in the cache folder
	rm -rf $(VENV) demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
