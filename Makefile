# Everything a person does with this checkout. `make` alone lists it.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test differential reconnects check lint lock protos clean reset setup setup-python setup-tests

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "  ARGS=... is added to the command that make starts; PYTHON=... chooses the Python of a new environment"

# `exec` puts the server in the shell's place, so that Ctrl-C and SIGTERM reach it and nothing stays behind.
run: setup ## install what is missing, then serve with demo data on port 8000 until Ctrl-C
	@exec feedgraph serve --demo $(ARGS)

test: setup-tests ## install what is missing, then run the whole suite
	@exec pytest -n 2 --dist worksteal $(ARGS)

differential: setup-tests ## ask N random operations of a server with plans and of stock Strawberry, and compare (N=20000)
	@FEEDGRAPH_DIFFERENTIAL_N=$(or $(N),20000) exec pytest -q -s -p no:logging tests/transports/graphql/test_differential.py $(ARGS)

reconnects: setup-tests ## break N connections (1000) of every way of listening while Redis and the relay die
	@exec pytest -q tests/live/test_reconnects.py --reconnects $(or $(N),1000) $(ARGS)

check: lint test ## everything that a change must pass: format, lint, types, contracts, schema, tests

lint: setup-python ## everything of `make check` but the tests
	ruff format --check .
	ruff check .
	mypy
	lint-imports --no-logo
	feedgraph schema --check

lock: setup-python ## lock the newest versions that fit pyproject.toml; ARGS=--upgrade takes newer ones than before
	@exec scripts/lock $(ARGS)

protos: setup-python ## build the Python stubs of protos/ anew (setting up does so whenever protos/ change)
	@exec scripts/protos

clean: ## remove the environment, builds and caches; the data stay
	@exec scripts/clean

reset: ## remove the data of the embedded servers of this checkout
	@exec scripts/reset

setup:
	@scripts/setup

setup-tests:
	@scripts/setup --tests

setup-python:
	@scripts/setup --python
