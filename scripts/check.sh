#!/usr/bin/env bash
# Everything that can be said about the sources without running them. All parts run; the failed ones are named at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/labor/target} SQLX_OFFLINE=${SQLX_OFFLINE:-true}

failed=()
part() {
  local name=$1
  shift
  printf '\n== %s\n' "$name"
  "$@" || failed+=("$name")
}

part format cargo fmt --all --check
part clippy cargo clippy --workspace --all-targets --locked -- -D warnings
part documentation env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
# cargo-deny looks at the crates of every platform, a build fetches those of this one.
part fetch cargo fetch --locked --quiet
# Who may link what (deny.toml) is the privilege model. Offline: security advisories need a database of their own.
part dependencies cargo deny --offline --workspace check bans licenses sources
# The program's own rules and squawk's; its embedded files are the repository's.
part migrations cargo run -q -p labor-migrator --locked -- lint
part scripts shellcheck scripts/*.sh .ci/run
part spelling typos

if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "${failed[*]}" >&2
  exit 1
fi
printf '\nall checks passed\n'
