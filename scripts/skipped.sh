#!/usr/bin/env bash
# Records the tests that do not run on this machine. Tests in Rust use testkit::skip::skipped, scripts use this.
#   skipped.sh add TEST REASON   prints that a test is skipped, and adds it to the file that TEPUI_SKIPPED_TESTS names
#   skipped.sh report            prints the number and the names of the tests in that file; with CI=true it fails if
#                                one of them is not in .ci/may-skip
set -euo pipefail
allowed=${TEPUI_MAY_SKIP:-$(dirname "$0")/../.ci/may-skip}

add() {
  local line
  line="SKIPPED $1: $(tr -s '[:space:]' ' ' <<<"$2")"
  echo "${line% }" >&2
  [ -z "${TEPUI_SKIPPED_TESTS:-}" ] || echo "${line% }" >>"$TEPUI_SKIPPED_TESTS"
}

# Prints the names of the tests in .ci/may-skip, one per line.
may_skip() { sed -n '/^#/d; s/: .*//p' "$allowed"; }

report() {
  local lines line test unexpected=0
  mapfile -t lines < <(sort -u "$TEPUI_SKIPPED_TESTS")
  if [ ${#lines[@]} -eq 0 ]; then
    echo "no test was skipped"
    return
  fi
  echo "${#lines[@]} skipped on this machine:"
  for line in "${lines[@]}"; do
    line=${line#SKIPPED }
    test=${line%%: *}
    if [ "${CI:-}" = true ] && ! may_skip | grep -qxF -- "$test"; then
      unexpected=$((unexpected + 1))
      echo "  $line  <- must run here, see .ci/may-skip"
    else
      echo "  $line"
    fi
  done
  [ $unexpected -eq 0 ]
}

case ${1:-} in
  add) add "$2" "$3" ;;
  report) report ;;
  *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
