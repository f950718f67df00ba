#!/usr/bin/env bash
# Checks the first steps of a new user: `make run ONESHOT=1` succeeds, the commands show the cluster, and no process, cgroup or
# mount remains after the stop.
#   smoke.sh TEPUI-BINARY
set -euo pipefail
tepui=$(realpath "$1")
here=$(cd "$(dirname "$0")/.." && pwd)
port=$((20000 + RANDOM % 10000))
work=$(mktemp -d)
fail() { echo "smoke: $*" >&2; tail -n 20 "$work"/*.log "$work"/local.* >&2 2>/dev/null || true; exit 1; }
"$tepui" local --port=$port --work_dir="$work" >"$work/local.out" 2>"$work/local.err" &
cluster=$!
trap 'kill -TERM $cluster 2>/dev/null || true; wait $cluster 2>/dev/null || true; rm -rf "$work"' EXIT
until grep -q 'A cluster is running' "$work/local.out"; do
  kill -0 $cluster 2>/dev/null || fail "the cluster did not start"
  sleep 0.1
done
master="127.0.0.1:$port"
PORT=$((port + 100)) INSTANCES=1 "$here/scripts/run.sh" "$tepui" --oneshot >"$work/demo" 2>&1 || fail "make run ONESHOT=1: $(cat "$work/demo")"
for text in 'demo.0 .*TASK_FINISHED' 'client *TASK_FINISHED'; do
  grep -q "$text" "$work/demo" || fail "make run ONESHOT=1 does not show '$text': $(cat "$work/demo")"
done
if left_out=$(grep 'is left out' "$work/demo"); then
  "$here/scripts/skipped.sh" add "smoke: an image in make run" "$left_out"
else
  grep -q 'programs in the image' "$work/demo" || fail "make run ONESHOT=1 shows no image: $(cat "$work/demo")"
fi
[ "$("$tepui" run --master $master --quiet --name hello -- 'echo hello from a task')" = "hello from a task" ] || fail "run does not show the output of a single task"
[ "$("$tepui" logs --master $master hello)" = "hello from a task" ] || fail "logs do not show the output"
code=0
"$tepui" run --master $master --quiet --name bad -- 'exit 3' || code=$?
[ "$code" = 3 ] || fail "run of a task that exits with 3 exits with $code"
"$tepui" tasks --master $master | grep -q 'TASK_FAILED' || fail "the failed task is not shown"
"$tepui" agents --master $master | grep -q 'active' || fail "no active agent"
"$tepui" tasks --master $master --json | python3 -m json.tool >/dev/null || fail "tasks --json is not JSON"
"$tepui" explain --master $master bad | grep -q 'TASK_FAILED' || fail "explain says nothing about the failure"
"$tepui" mesos-execute --master=$master --name=compat --command='true' | grep -q 'TASK_FINISHED' || fail "mesos-execute"
curl -fsS "http://$master/state" | python3 -m json.tool >/dev/null || fail "/state is not JSON"
kill -TERM $cluster
wait $cluster || true
! pgrep -f -- "--work_dir=$work" >/dev/null || fail "a process is left"
! find /sys/fs/cgroup -maxdepth 3 -type d -name "tepui-local-$port-*" 2>/dev/null | grep -q . || fail "a cgroup is left"
! grep -q "$work" /proc/self/mountinfo || fail "a mount is left"
trap - EXIT
rm -rf "$work"
echo "smoke: ok"
