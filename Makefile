# What one types. The work is in dev/ (scripts) and dev/stack (the running system); `make` alone lists the targets.

CACHE := $(or $(INTERACTION_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/interaction-service)
# Outside the checkout, so that a fresh clone builds warm.
export CARGO_TARGET_DIR ?= $(CACHE)/target
STACK := $(CARGO_TARGET_DIR)/release/stack
# One profile for everything native: an optimised build of wasmtime is slow to make and must not be made twice.
CARGO_FLAGS := --release --workspace
WHOLE_PATH := every_acknowledged_change_is_in_every_store_once

# In COMPOSE=1, Redis, MySQL and Kafka are containers.
ifdef COMPOSE
export INTERACTION_COMPOSE := 1
UP_FLAGS := --compose
endif

.PHONY: help setup components natives up down env token test test-stores test-web fuzz lint chaos masters rebuild scale schemathesis bench k8s-check k8s-test k8s-observe
.NOTPARALLEL:

help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1\t/p' $(MAKEFILE_LIST)

setup: ## installs what is missing on a Debian machine
	@dev/setup

components: ## builds the wasm components
	@dev/components

natives:
	@cargo build $(CARGO_FLAGS) --bins

up: setup components natives ## builds and runs everything, with a demo page and Swagger UI, until Ctrl-C; COMPOSE=1 for stores in containers
	@exec dev/demo $(STACK) up $(UP_FLAGS)

down: ## stops `make up`
	@$(STACK) down

env: ## where the running system answers, as KEY=value
	@$(STACK) env

token: ## a token of the dev key: make token USER=7
	@$(STACK) token --user '$(USER)'

# Binaries and tests in one build: built apart, their dependencies' features differ and some are compiled twice.
test: setup components ## every test
	@dev/schemathesis
	@cargo build $(CARGO_FLAGS) --bins --tests
	@cargo test $(CARGO_FLAGS) -- --skip $(WHOLE_PATH)
	@dev/web test
# The last, and not captured: its last lines say how much was compared, and on which host. Then on other stores, too.
	@cargo test $(CARGO_FLAGS) --test whole_path -- --nocapture --test-threads 1
ifndef COMPOSE
	@INTERACTION_REDIS="$$(dev/stores valkey-9)" INTERACTION_MYSQLD="$$(dev/stores mysql-9.7)" \
		cargo test $(CARGO_FLAGS) --test whole_path -- --nocapture --exact $(WHOLE_PATH)
endif

test-stores: setup components ## whole path and outages on each version of each store: make test-stores ONLY=valkey-8 SUITE=outages
	@cargo build $(CARGO_FLAGS) --bins --tests
	@ONLY=$(ONLY) SUITE=$(SUITE) dev/test-stores

test-web: setup components natives ## the front end alone, in Chromium
	@dev/web test

chaos: setup components natives ## faults under load: make chaos ROUNDS=20 SEED=7
	@CHAOS_ROUNDS=$(ROUNDS) CHAOS_SEED=$(SEED) cargo test $(CARGO_FLAGS) --test chaos -- --nocapture

masters: setup components natives ## many masters of a cluster, all cold at once: make masters MASTERS=48 (128 if not said)
	@INTERACTION_MASTERS=$(or $(MASTERS),128) cargo test $(CARGO_FLAGS) --test cluster many -- --nocapture

schemathesis: setup components natives ## requests at random after docs/openapi.yaml: make schemathesis REQUESTS=100000 SEED=7
	@dev/schemathesis
	@SCHEMATHESIS_REQUESTS=$(REQUESTS) SCHEMATHESIS_SEED=$(SEED) \
		cargo test $(CARGO_FLAGS) --test schemathesis -- --nocapture

fuzz: ## looks for inputs that break a parser: make fuzz SECONDS=60 (each)
	@dev/fuzz $(SECONDS)

rebuild: setup natives ## time and rate of a rebuild: make rebuild LIKES=1000000
	@REBUILD_LIKES=$(or $(LIKES),1000000) cargo test $(CARGO_FLAGS) --test promises a_rebuild -- --nocapture

scale: setup natives ## time and memory of jobs and commands with much data: make scale LIKES=100000000
	@SCALE_LIKES=$(or $(LIKES),3000000) cargo test $(CARGO_FLAGS) --test promises with_any_number_of_likes -- --nocapture

bench: setup components natives ## figures beside their baselines; ONLY=like/hot-32,read for some, SMOKE=1 for a short form
	@dev/bench $(if $(ONLY),--only $(ONLY)) $(if $(SMOKE),--smoke)

k8s-check: ## k8s/ against the schemas, spin.toml and what the persister exports
	@dev/k8s-check

k8s-test: ## applies k8s/ to a Kubernetes control plane of its own, with KEDA's and the Spin operator
	@dev/k8s-test

k8s-observe: setup natives components ## runs alerts and dashboard on a Prometheus that scrapes a persister under load
	@PICTURE=$(PICTURE) dev/k8s-observe

lint: setup ## formatting, clippy, shell scripts, dependencies
	@dev/lint
