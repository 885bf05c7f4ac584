#!/usr/bin/env bash
# Writes .sqlx anew: builds the query macros of labor-db against a migrated, throw-away database. The macros themselves write the files
# when SQLX_OFFLINE_DIR is set, so no further tool is needed.
set -euo pipefail
cd "$(dirname "$0")/.."
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/labor/target} SQLX_OFFLINE=${SQLX_OFFLINE:-true}

fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
cargo build --locked -p labor-migrator -p labor-testing --bins --examples
export fresh PATH="$CARGO_TARGET_DIR/debug:$PATH"
# shellcheck disable=SC2016 # expanded by the inner shell, which has the database's URLs
"$CARGO_TARGET_DIR/debug/examples/with_postgres" bash -euo pipefail -c '
  labor-migrator bootstrap
  labor-migrator up
  touch db/src/lib.rs # the macros are expanded again only if their crate is compiled again
  SQLX_OFFLINE=false SQLX_OFFLINE_DIR=$fresh cargo check --locked -p labor-db --all-targets
'
rm -rf .sqlx
mkdir .sqlx
find "$fresh" -name 'query-*.json' -exec cp {} .sqlx/ \;
chmod 644 .sqlx/* 2>/dev/null || true
echo "$(find .sqlx -name 'query-*.json' | wc -l) queries in .sqlx"
