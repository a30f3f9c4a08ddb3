# The two commands that matter: `make demo` and `make test`. Everything is set up inside the checkout (.venv, .cache).
VENV := .venv
PYTHON := $(VENV)/bin/python
READY := $(VENV)/.ready
TOOLS := .cache/bin
export PATH := $(CURDIR)/$(TOOLS):$(PATH)



.PHONY: help demo test test-thorough lint test-real real-cluster bench generate requirements clean

help:
	@echo "make demo          the whole run on local servers, shown in the terminal and as a page"
	@echo "make test          the everyday tests"
	@echo "make test-thorough those that take longer: many whole runs on bad days, random tenants"
	@echo "make lint          linters, type checker, import rules"
	@echo "make real-cluster  builds a real API server and a real External Secrets Operator (Go; 8 minutes, once)"
	@echo "make test-real     the conformance suite and the whole release on them"
	@echo "make bench         what the README claims of speed, measured here"
	@echo "make generate      renews what follows from secret_action/contract.py"

$(READY): requirements/dev.txt
	@echo "Setting up $(VENV) (one to three minutes, once) …"
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@touch $@

kustomize: $(READY)
	@python3 tools/kustomize.py $(TOOLS) >/dev/null
.PHONY: kustomize

demo: kustomize
	$(PYTHON) -m sandbox.demo

test: kustomize
	$(PYTHON) -m pytest -m "not real and not thorough" -n 4 --dist worksteal

test-thorough: kustomize
	$(PYTHON) -m pytest -m "thorough and not real" -n 4 --dist worksteal

lint: $(READY)
	$(PYTHON) tools/lint/run.py

real-cluster: $(READY)
	$(PYTHON) -m sandbox.real.build || [ $$? -eq 3 ]

test-real: real-cluster kustomize
	$(PYTHON) -m pytest -m real

bench: kustomize
	$(PYTHON) -m bench.overhead
	$(PYTHON) -m bench.validate
	$(PYTHON) -m bench.hostile
	$(PYTHON) -m bench.store_simulation
	$(PYTHON) -m bench.store
	$(PYTHON) -m bench.cluster || [ $$? -eq 3 ]

generate: $(READY)
	$(PYTHON) -m tools.generate

requirements:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --upgrade requirements/runtime.in -o requirements/runtime.txt
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --upgrade requirements/dev.in -o requirements/dev.txt

clean:
	rm -rf $(VENV) .cache build
