#!/usr/bin/env bash
# Runs the conformance suite against a Tepui master and agent.
#   conformance.sh TEPUI-BINARY CONFORMANCE-BINARY
set -euo pipefail
tepui=$(realpath "$1")
suite=$(realpath "$2")
scripts=$(dirname "$(realpath "$0")")
port=$((20000 + RANDOM % 10000))
work=$(mktemp -d)
"$tepui" local --port=$port --num_slaves=1 --work_dir="$work" --resources='cpus:4;mem:2048;disk:1024;ports:[31000-32000]' \
  >"$work/local.out" 2>&1 &
cluster=$!
stop() {
  kill -TERM $cluster 2>/dev/null || true
  wait $cluster 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
until grep -q 'A cluster is running' "$work/local.out"; do
  kill -0 $cluster 2>/dev/null || { cat "$work/local.out"; exit 1; }
  sleep 0.1
done
"$suite" --master 127.0.0.1:$port --agent 127.0.0.1:$((port + 1)) --with=reserve,weights,quota,maintenance,drain | tee "$work/report"
sed -n 's/^SKIP [A-Z] //p' "$work/report" | while IFS= read -r line; do
  "$scripts/skipped.sh" add "conformance ${line%%: *}" "${line#*: }"
done
