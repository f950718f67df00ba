#!/usr/bin/env bash
# Runs a pymesos framework against a cluster that this script starts and stops.
#   run.sh TEPUI-BINARY PYTHON-ENVIRONMENT
set -euo pipefail
tepui=$(realpath "$1")
python=$2/bin/python
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
"$tepui" local --port=$port --work_dir="$work" --resources='cpus:2;mem:1024;disk:100' >"$work/local.out" 2>&1 &
cluster=$!
stop() {
  status=$?
  kill -TERM $cluster 2>/dev/null || true
  wait $cluster 2>/dev/null || true
  if [ $status -ne 0 ]; then tail -n 30 "$work"/*.log "$work"/local.out; fi
  rm -rf "$work"
}
trap stop EXIT
until grep -q 'A cluster is running' "$work/local.out"; do
  kill -0 $cluster 2>/dev/null || { echo "the cluster did not start"; exit 1; }
  sleep 0.1
done
"$python" "$here/scheduler.py" 127.0.0.1:$port
