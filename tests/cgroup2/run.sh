#!/usr/bin/env bash
# Runs the test programs of containers on a machine with a pure cgroup v2 hierarchy (machine.sh), as root: builds them here,
# copies them there, and exits with 0 if all have passed, 77 with a reason if the machine cannot be had.
#   run.sh DIR [NAME…]   DIR keeps the image; a NAME is a program, e.g. containerizer/linux, or part of a name, or
#                        delegation, the test of an agent in a unit of systemd with Delegate=yes
# CGROUP2_FILTER: only the tests whose names contain it.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
mkdir -p "${1:?DIR}"
dir=$(cd "$1" && pwd)
shift
"$here/machine.sh" install
stage=$(mktemp -d "$dir/stage.XXXXXX")
trap 'rm -rf "$stage"' EXIT
python3 "$here/programs.py" "$top" "$stage" "${CGROUP2_FILTER:-}" "$@"
cp "$here/inside.sh" "$here/delegation.sh" "$stage/"
"$here/machine.sh" run "$dir" "$stage"
