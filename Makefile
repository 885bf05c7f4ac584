# Everything a newcomer needs: `make demo`, `make test`. What is missing is installed by scripts/install.sh; build output goes to a cache
# folder outside the checkout (CARGO_TARGET_DIR), so that `git clean` and a fresh clone do not cost a full build.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CACHE := $(or $(LABOR_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/labor)
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/labor/target
# Queries are checked against .sqlx, which `make sqlx` refreshes; no database is needed to build.
export SQLX_OFFLINE ?= true

.PHONY: help demo up test bench bench-migrator bench-pool bench-ingest bench-backup bench-recovery check schemas sqlx isolation-report clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

demo: ## Show all of Labor on this machine, from nothing, and end
	@scripts/install.sh demo
	cargo build --workspace --bins --locked
	"$(CARGO_TARGET_DIR)/debug/labor-demo"

up: ## The same, but stay up to be looked at (Ctrl-C ends it)
	@scripts/install.sh demo
	cargo build --workspace --bins --locked
	"$(CARGO_TARGET_DIR)/debug/labor-demo" --stay

test: ## Run all tests; the last line is their number
	@scripts/install.sh test
	@scripts/test.sh

bench: ## Measure; prints its tables
	@scripts/install.sh demo
	cargo build --workspace --bins --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench"

bench-migrator: ## Measure the fleet migrator: up to 5,000 tenants, about 25 minutes
	@scripts/install.sh demo
	cargo build --package labor-migrator --package labor-demo --bins --example bench_lane --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench-migrator"

bench-pool: ## Measure sessions and pools: 1,000 tenants, up to 13 minutes
	@scripts/install.sh demo
	cargo build --package labor-migrator --package labor-demo --bins --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench-pool"

bench-ingest: ## Measure messages on their way in, beside the same work in Node: about 12 minutes
	@scripts/install.sh bench-ingest
	cargo build --workspace --bins --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench-ingest"

bench-backup: ## Measure backups of a fleet beside pg_dump: up to 5,000 tenants, about 20 minutes
	@scripts/install.sh bench-backup
	cargo build --package labor-migrator --package labor-backup --package labor-demo --bins --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench-backup"

bench-recovery: ## Measure restores: one practice, and a lost server of 200; about 10 minutes
	@scripts/install.sh demo
	cargo build --package labor-migrator --package labor-backup --package labor-demo --bins --release --locked
	"$(CARGO_TARGET_DIR)/release/labor-bench-recovery"

check: ## Formatting, lints, documentation, dependency rules, scripts, spelling
	@scripts/install.sh check
	@PATH="$(CACHE)/tools/bin:$$PATH" scripts/check.sh

schemas: ## Write db/schemas anew from the migrations
	@scripts/install.sh demo
	scripts/schemas.sh

sqlx: ## Write .sqlx anew: what the database says about each query
	@scripts/install.sh demo
	scripts/sqlx.sh

isolation-report: ## Attack, and write docs/isolation.md anew from what was seen
	@scripts/install.sh test
	LABOR_ISOLATION_REPORT=1 scripts/test.sh -p labor --test isolation -- attack page

clean: ## Remove build output and the data of demos and tests
	cargo clean
	rm -rf .labor
