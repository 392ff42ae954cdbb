# Everything a contributor does. `make help` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
SITE = $(shell $(VENV)/bin/python -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
export PATH := $(BIN):$(PATH)
export PYTHONDONTWRITEBYTECODE := 1
unexport ANSIBLE_COLLECTIONS_PATH

.PHONY: help
help: ## list the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.ready: requirements.txt
	@tests/demo/venv.sh "$(PYTHON)" "$(VENV)"

.PHONY: venv
venv: $(VENV)/.ready ## make the virtual environment .venv
