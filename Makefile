SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

setup: ## virtual environment, Debian packages, Kubernetes binaries (what is there already stays)
	@scripts/setup

demo: setup ## helm install on nodes with containerd and kubelet, killed containers, a lost node; ARGS=--keep leaves it running
	@PYTHONPATH=tests $(PY) -m lab.demo $(ARGS)

demo-processes: setup ## the two nodes of the keepalived guide on an API server without kubelets, and more that breaks; ARGS=--keep
	@PYTHONPATH=tests $(PY) -m lab.process_demo $(ARGS)

images: setup ## both images of the Dockerfile, without a registry, and their size
	@PYTHONPATH=tests $(PY) -m lab.images

test: setup ## every test, on the real kernel, a real keepalived and a real kube-apiserver
	@$(PY) -m pytest $(ARGS)

simulation: setup ## the VRRP core on simulated LANs: 100,000 router-hours, all processors
	@PYTHONPATH=tests $(PY) -m simulation $(ARGS)

soak: setup ## 250 routers for 4 x 10 minutes, a hostile LAN for 4 x 60 s; ARGS="--seconds 60 --only garbage" shortens and chooses
	@PYTHONPATH=tests $(PY) -m soak $(ARGS)

outage: setup ## ten minutes without API server on nodes with real kubelets; ARGS="--seconds 120" shortens
	@PYTHONPATH=tests $(PY) -m outage $(ARGS)

skew: setup ## another release (git revision, ARGS=REVISION) beside ours: upgrades, roll-backs, saved copies on real kubelets; ten minutes
	@PYTHONPATH=tests $(PY) -m skew $(ARGS)

conformance: setup ## docs/conformance.md, from the tests that show the rules
	@$(PY) -m pytest -q -m rule --write-conformance

mutation: proof-tools ## mutmut over the VRRP core, and what survived
	@PYTHONPATH=tests $(PY) -m mutation

fuzz: proof-tools ## atheris over the receive path: 10,000,000 inputs
	@PYTHONPATH=tests $(PY) -m fuzzing $(ARGS)

proof-tools: setup
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/proof.txt

lint: setup ## ruff, mypy strict, import-linter, generated files up to date
	@$(VENV)/bin/ruff check --no-cache . && $(VENV)/bin/ruff format --no-cache --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports
	@$(PY) -m floatip_api.generate --check

generate: setup ## write crds/*.yaml and docs/reference.md from the models
	@$(PY) -m floatip_api.generate

lock: ## requirements/*.txt with hashes, from pyproject.toml
	@scripts/lock

.PHONY: help setup demo demo-processes images test simulation soak skew outage conformance mutation fuzz proof-tools lint generate lock
