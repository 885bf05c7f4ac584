#!/usr/bin/env bash
# Writes db/schemas anew: the definitions that the migrations arrive at, for reading and review. control.sql holds everything that is there
# once, tenant.sql the schema of one practice. A test-only database makes them; nobody ever runs them.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/labor/target} SQLX_OFFLINE=${SQLX_OFFLINE:-true}

mkdir -p db/schemas
cargo build --locked -p labor-migrator -p labor-testing --bins --examples
export PATH="$CARGO_TARGET_DIR/debug:$PATH"
# shellcheck disable=SC2016 # expanded by the inner shell, which has the database's URLs
"$CARGO_TARGET_DIR/debug/examples/with_postgres" bash -euo pipefail -c '
  labor-migrator bootstrap
  labor-migrator up
  labor-migrator --json provision example --name Example >/dev/null
  tenant=$("${PG_DUMP%pg_dump}psql" -XAtc "SELECT name FROM control.tenants WHERE slug = \$\$example\$\$")
  # Without what differs between versions of pg_dump and from run to run.
  plain() { grep -vE "^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\\\(un)?restrict .*)$" | cat -s; }
  "$PG_DUMP" --schema-only -N "$tenant" -N pgmq | plain >db/schemas/control.sql
  "$PG_DUMP" --schema-only -n "$tenant" | plain | sed "s/$tenant/example/g" >db/schemas/tenant.sql
'
wc -l db/schemas/*.sql
