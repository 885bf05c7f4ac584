#!/usr/bin/env bash
# Runs every test of the workspace and says their number in the last line; fails if one fails. Arguments go to cargo test.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/labor/target} SQLX_OFFLINE=${SQLX_OFFLINE:-true}

# The programs first: end-to-end tests start them. Built together with the tests, both share one build of the dependencies.
cargo build --workspace --bins --tests --examples --locked || exit

output=$(mktemp)
trap 'rm -f "$output"' EXIT
cargo test --workspace --locked --no-fail-fast "$@" 2>&1 | tee "$output"
status=${PIPESTATUS[0]}
awk '
  /^test result: / {
    for (i = 2; i <= NF; i++) {
      if ($i == "passed;") passed += $(i - 1)
      if ($i == "failed;") failed += $(i - 1)
    }
  }
  END { printf "%d passed, %d failed\n", passed, failed }
' "$output"
exit "$status"
