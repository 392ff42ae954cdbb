# Everything a contributor does. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export PATH := $(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
unexport ANSIBLE_COLLECTIONS_PATH

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.txt
	@tests/demo/venv.sh "$(PYTHON)" "$(VENV)"

.PHONY: venv
venv: $(VENV)/.ready ## make the virtual environment .venv

.PHONY: lock
lock: ## settle the versions of requirements.in, with hashes, in requirements.txt (ARGS=--upgrade for newer ones)
	@tests/lock.sh $(ARGS)

.PHONY: demo
demo: venv ## bring a demo fleet up on this machine, deploy to it, prove it
	@mkdir -p .cache
	tests/demo/demo.sh up

.PHONY: verify
verify: venv ## prove the demo fleet again, changing nothing
	@ansible-playbook -i tests/demo/inventory.yml playbooks/verify.yml

.PHONY: demo-down
demo-down: venv ## take the demo fleet away
	@tests/demo/demo.sh down

.PHONY: lint
lint: venv ## ansible-lint (production), yamllint, ruff, mypy
	@tests/lint.sh

.PHONY: sanity
sanity: venv ## ansible-test sanity
	@mkdir -p .cache
	tests/ansible_test.sh sanity

.PHONY: unit
unit: venv ## unit tests, on the control node's Python and on the oldest of the managed hosts
	@tests/unit.sh

.PHONY: paused
paused: venv ## tests on a machine that stops now and then: who leans on an idle one fails (SEED=2 ARGS=tests/web/run.sh)
	@python tests/paused.py --seed $(or $(SEED),1) -- $(or $(ARGS),tests/unit.sh)

.PHONY: molecule
molecule: venv ## molecule scenarios on containers with systemd (SCENARIO=default for one)
	@mkdir -p .cache
	tests/molecule.sh $(SCENARIO)

.PHONY: web
web: venv ## the collector's web page in a real Chromium; skipped where there is none
	@tests/web/run.sh

.PHONY: screenshot
screenshot: venv ## write docs/images/collector.png, the picture of the page with an invented fleet
	@tests/web/run.sh --screenshot

.PHONY: acceptance
acceptance: venv ## the demo fleet, deployed and questioned, and taken away
	@mkdir -p .cache
	tests/acceptance.sh

.PHONY: bench-collector
bench-collector: venv ## the collector against sflowtool, sfacctd and sfcapd, whichever are installed (ARGS="--rounds 1")
	@python tests/bench/bench_collector.py $(ARGS)

.PHONY: bench-fleet
bench-fleet: venv ## site.yml beside ping and a plain role, over ssh (ARGS="fleet --hosts 20") or the control node alone (ARGS=scale)
	@python tests/bench/bench_fleet.py $(or $(ARGS),fleet)

.PHONY: bench-groups
bench-groups: venv ## vizceral_groups with 100,000 CIDRs beside json.dump, on this Python and on 3.6
	@python tests/bench/bench_groups.py

.PHONY: bench-page
bench-page: venv ## drawing and sorting 10,000 agents in a browser, beside 100
	@python tests/bench/bench_page.py $(ARGS)

.PHONY: fuzz
fuzz: venv ## mutated datagrams through both decoders (COUNT=10000000; a second run goes on where the first ended)
	@mkdir -p .cache
	python tests/bench/fuzz_collector.py --count $(or $(COUNT),1000000) --resume .cache/fuzz-collector

.PHONY: images
images: venv ## the images, packages and programs that demo and tests start from
	@mkdir -p .cache
	tests/peers.sh
	tests/web/chromium.sh
	tests/images/engine.sh
	tests/images/build.sh debian12 ubuntu1804 debian11 debian13
	tests/demo/artefacts.sh

.PHONY: test
test: venv ## everything: lint, sanity, unit, web, docs, molecule, acceptance
	@tests/all.sh

.PHONY: docs
docs: venv ## changelog, module docs, every command of README and docs, the tarball, the bundle
	@tests/docs.sh

.PHONY: variables
variables: venv ## write the tables of variables into the READMEs of the roles and docs/variables.md
	@python tests/role_variables.py

.PHONY: dist
dist: venv ## build the tarball of the collection; the same sources give the same bytes
	@python tests/packaging/dist.py

.PHONY: matrix
matrix: venv ## the oldest and the newest ansible-core, and the Pythons of managed hosts (ARGS=managed for these)
	@python tests/matrix.py $(ARGS)

.PHONY: clean
clean: ## remove what make made in the working tree (containers: make demo-down)
	@rm -rf .cache .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis .venv netviz-sflow-*.tar.gz
