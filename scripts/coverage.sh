#!/usr/bin/env bash
# Builds all tests with instrumentation, runs them, and prints which part of the lines of each crate they run. The first
# run takes about twice the time of `make test`, since everything is compiled again, into target/coverage.
#   coverage.sh [ARGUMENTS OF cargo test]     for example: coverage.sh -p agent; without arguments, the whole workspace
# It needs llvm-profdata and llvm-cov of the same major version as the LLVM of rustc: from PATH, from /usr/lib/llvm-N/bin,
# or, as root on Debian, from the package llvm-N, which it installs. A process that is killed writes no profile, so that
# programs which tests end with SIGKILL are counted too low.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- --workspace
version=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
tools=/usr/lib/llvm-$version/bin
if command -v "llvm-profdata-$version" >/dev/null; then
  profdata=llvm-profdata-$version cov=llvm-cov-$version
else
  if [ ! -x "$tools/llvm-profdata" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "llvm-$version" >/dev/null
  fi
  profdata=$tools/llvm-profdata cov=$tools/llvm-cov
  [ -x "$profdata" ] || { echo "coverage: install llvm-$version, which has llvm-profdata and llvm-cov" >&2; exit 1; }
fi
export CARGO_TARGET_DIR=$PWD/target/coverage RUSTFLAGS="-C instrument-coverage"
# Build scripts are instrumented as well; their profiles are not wanted.
profiles=$CARGO_TARGET_DIR/profiles
rm -rf "$profiles"
mkdir -p "$profiles"
# %m and a pool of files, into which processes merge their counters, keep the number of files small.
export LLVM_PROFILE_FILE=$profiles/%4m.profraw
status=0
PROPTEST_RNG_SEED=1 scripts/run-tests.py --locked "$@" >"$CARGO_TARGET_DIR/tests.log" 2>&1 || status=$?
[ $status = 0 ] || echo "coverage: some tests failed, see target/coverage/tests.log; the figures are of those that ran" >&2
"$profdata" merge -sparse "$profiles"/*.profraw -o "$CARGO_TARGET_DIR/profile"
mapfile -t programs < <(find "$CARGO_TARGET_DIR/debug" "$CARGO_TARGET_DIR/debug/deps" -maxdepth 1 -type f -perm -u+x ! -name '*.so')
objects=()
for program in "${programs[@]:1}"; do objects+=(--object "$program"); done
"$cov" export --summary-only --instr-profile "$CARGO_TARGET_DIR/profile" "${programs[0]}" "${objects[@]}" \
  --ignore-filename-regex '/(registry|rustc)/|/target/|/tests?/|/benches/|_tests?\.rs$|/proof/' >"$CARGO_TARGET_DIR/coverage.json" 2>"$CARGO_TARGET_DIR/coverage.log"
python3 - "$CARGO_TARGET_DIR/coverage.json" "$PWD" <<'PROGRAM'
import json, os, sys
crates = {}
for file in json.load(open(sys.argv[1]))["data"][0]["files"]:
    path = os.path.relpath(file["filename"], sys.argv[2])
    crate = path.split("/src/")[0]
    lines = file["summary"]["lines"]
    sum_ = crates.setdefault(crate, [0, 0])
    sum_[0] += lines["covered"]
    sum_[1] += lines["count"]
for crate, (covered, count) in sorted(crates.items()) + [("all", [sum(c[i] for c in crates.values()) for i in (0, 1)])]:
    print(f"{crate:<32}{covered:>8} of {count:>7} lines {100 * covered / max(count, 1):6.1f} %")
PROGRAM
exit $status
