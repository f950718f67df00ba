#!/usr/bin/env bash
# Starts a local cluster, runs the demonstration batch on it, and leaves it running until Ctrl-C.
#   run.sh TEPUI-BINARY [--oneshot]
set -euo pipefail
tepui=$(realpath "$1")
oneshot=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
port=${PORT:-5050}
work=$(mktemp -d "${TMPDIR:-/tmp}/tepui-XXXXXX")
"$tepui" local --port="$port" --work_dir="$work" >"$work/local.out" 2>"$work/local.err" &
cluster=$!
stop() {
  trap '' INT TERM
  kill -TERM $cluster 2>/dev/null || true
  wait $cluster 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
trap 'exit 0' INT TERM
echo "starting one master and two agents"
until grep -q 'A cluster is running' "$work/local.out"; do
  if ! kill -0 $cluster 2>/dev/null; then
    cat "$work/local.err" >&2
    exit 1
  fi
  sleep 0.1
done
echo "running the tasks of examples/demo.tasks"
"$tepui" run --master "127.0.0.1:$port" --name demo --batch "$here/examples/demo.tasks" --instances 3
if [ -n "$oneshot" ]; then
  echo "stopping the cluster"
  exit 0
fi
cat "$work/local.out"
echo "(the command is $tepui)"
wait $cluster || true
