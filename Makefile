# What one types. The work is in dev/ (scripts) and dev/stack (the running system); `make` alone lists the targets.

CACHE := $(or $(INTERACTION_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/interaction-service)
# Outside the checkout, so that a fresh clone builds warm.
export CARGO_TARGET_DIR ?= $(CACHE)/target
# What `make up` runs is built to be compiled quickly, what tests and figures use to run quickly: dev and release in Cargo.toml.
STACK := $(CARGO_TARGET_DIR)/debug/stack
CARGO_FLAGS := --release --workspace
WHOLE_PATH := every_acknowledged_change_is_in_every_store_once

# In COMPOSE=1, Redis, MySQL and Kafka are containers.
ifdef COMPOSE
export INTERACTION_COMPOSE := 1
UP_FLAGS := --compose
endif
ifdef SETTINGS
UP_FLAGS += --settings '$(SETTINGS)'
endif

.PHONY: help setup components natives up down env operator token test test-stores test-web docs tutorials fuzz lint chaos new-kind masters rebuild scale bars schemathesis bench k8s-check k8s-render k8s-test k8s-up k8s-e2e k8s-observe release
.NOTPARALLEL:

help: ## this list
	@awk -F ':.*## ' '/^##@ / { printf "\n%s\n", substr($$0, 5) } /^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

##@ Run it

up: ## builds and runs everything, with a demo page and Swagger UI, until Ctrl-C; COMPOSE=1, SETTINGS=file
	@dev/build
	@exec dev/demo $(STACK) up $(UP_FLAGS)

down: ## stops what `make up` runs
	@$(STACK) down

env: ## where the running system answers: eval "$(make -s env)"
	@$(STACK) env

operator: ## what the persister's commands need: eval "$(make -s operator)"
	@dev/operator

token: ## a token of a user: make token USER=7
	@$(STACK) token --user '$(USER)'

##@ Build it

setup: ## installs what is missing
	@dev/setup

components: ## builds the WebAssembly components
	@dev/components

natives: ## builds every program, as it is tested and published
	@cargo build $(CARGO_FLAGS) --bins

release: setup ## the files of a release, in target/release-VERSION; dev/release --help
	@dev/release

##@ Check it

lint: setup ## formatting, clippy, words, links, shell scripts, types, licences
	@dev/lint

# Binaries and tests in one build: built apart, their dependencies' features differ and some are compiled twice.
test: setup components ## every test, on real stores and in a real browser
	@dev/schemathesis
	@cargo build $(CARGO_FLAGS) --bins --tests
	@cargo test $(CARGO_FLAGS) -- --skip $(WHOLE_PATH)
	@dev/web test
# The last, and not captured: its last lines say how much was compared, and on which host. Then on other stores, too.
	@cargo test $(CARGO_FLAGS) --test whole_path -- --nocapture --test-threads 1
ifndef COMPOSE
	@INTERACTION_REDIS="$$(dev/stores valkey-9)" INTERACTION_MYSQLD="$$(dev/stores mysql-9.7)" \
		cargo test $(CARGO_FLAGS) --test whole_path -- --nocapture --test-threads 1 --exact $(WHOLE_PATH) on_a_cluster_$(WHOLE_PATH)
endif

test-stores: setup components ## whole path, outages and more on each version of each store: make test-stores ONLY=valkey-8
	@cargo build $(CARGO_FLAGS) --bins --tests
	@ONLY=$(ONLY) SUITE=$(SUITE) JOBS=$(or $(JOBS),1) dev/test-stores

docs: ## the documentation site, in target/site, with every link checked
	@dev/docs

tutorials: ## the tutorials and the first calls of README.md, command by command; RELEASE=1 with what `make test` has built
ifndef RELEASE
	@dev/build
endif
	@dev/web packages
	@dev/tutorials $(if $(RELEASE),--release)

test-web: setup components natives ## the front end, in Chromium and Firefox
	@dev/web test

chaos: setup components natives ## faults under load: make chaos ROUNDS=20 SEED=7
	@CHAOS_ROUNDS=$(ROUNDS) CHAOS_SEED=$(SEED) cargo test $(CARGO_FLAGS) --test chaos -- --nocapture

masters: setup components natives ## many masters of a cluster, all cold at once: make masters MASTERS=48 (128 by default)
	@INTERACTION_MASTERS=$(or $(MASTERS),128) cargo test $(CARGO_FLAGS) --test cluster many -- --nocapture

schemathesis: setup components natives ## random requests, allowed and forbidden ones: make schemathesis REQUESTS=100000 SEED=7
	@dev/schemathesis
	@SCHEMATHESIS_REQUESTS=$(REQUESTS) SCHEMATHESIS_SEED=$(SEED) \
		cargo test $(CARGO_FLAGS) --test schemathesis -- --nocapture

fuzz: ## looks for inputs that break a parser: make fuzz SECONDS=60 (for each)
	@dev/fuzz $(SECONDS)

new-kind: ## adds a kind to a throwaway copy, shows the change, and runs every test there
	@dev/new-kind make test

##@ Measure it

rebuild: setup natives ## time and rate of a rebuild: make rebuild LIKES=1000000
	@REBUILD_LIKES=$(or $(LIKES),1000000) cargo test $(CARGO_FLAGS) --test promises a_rebuild_brings_back -- --nocapture

scale: setup components natives ## time and memory of jobs and commands with much data: make scale LIKES=100000000
	@SCALE_LIKES=$(or $(LIKES),3000000) cargo test $(CARGO_FLAGS) --test promises with_any_number_of_likes -- --nocapture

bars: setup natives ## memory and time of many bars, in Redis and in the persister: make bars BARS=1000000
	@BARS=$(or $(BARS),1000000) cargo test $(CARGO_FLAGS) --test promises many_bars -- --nocapture

bench: setup components natives ## figures beside their baselines: make bench ONLY=like/hot-32,read SMOKE=1
	@dev/bench $(if $(ONLY),--only $(ONLY)) $(if $(SMOKE),--smoke)

##@ Check Kubernetes

k8s-check: ## k8s/ against the schemas of Kubernetes, spin.toml and the persister's metrics
	@dev/k8s-check

k8s-render: ## the overlays' objects, from the chart and their values
	@dev/k8s-render

k8s-test: ## k8s/ on a real API server, with the operators of KEDA and Spin
	@dev/k8s-test

k8s-up: setup ## a real cluster of two nodes with the overlay of dev in it, until Ctrl-C; KUBECONFIG=file for one that exists
	@dev/k8s-up

k8s-e2e: setup ## real pods in such a cluster: whole path, updates under load, kills: make k8s-e2e ONLY='path rollout'
	@PICTURE=$(PICTURE) dev/k8s-e2e $(ONLY)

k8s-observe: setup natives components ## alerts and dashboard, on a real Prometheus
	@PICTURE=$(PICTURE) dev/k8s-observe
