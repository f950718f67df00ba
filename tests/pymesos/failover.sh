#!/usr/bin/env bash
# Runs a pymesos framework that finds its master in ZooKeeper while the leading master is killed.
#   failover.sh TEPUI-BINARY PYTHON-ENVIRONMENT
set -euo pipefail
tepui=$(realpath "$1")
python=$2/bin/python
here=$(cd "$(dirname "$0")" && pwd)
zookeeper=$here/../zookeeper/zookeeper.sh
"$zookeeper" install || {
  [ $? -eq 77 ] || exit 1
  "$here/../../scripts/skipped.sh" add pymesos-failover "ZooKeeper cannot be installed"
  exit 0
}
work=$(mktemp -d)
pids=()
stop() {
  status=$?
  if [ $status -ne 0 ]; then tail -n 30 "$work"/*.log; fi
  for pid in "${pids[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
  "$zookeeper" stop "$work/zookeeper" 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
zk=zk://$(ZK_TICK=500 "$zookeeper" start "$work/zookeeper")/mesos
port=$((20000 + RANDOM % 10000))
masters=()
for n in 1 2; do
  "$tepui" master --ip=127.0.0.1 --hostname=localhost --port=$((port + n)) --zk="$zk" --quorum=1 --work_dir="$work/master-$n" \
    >"$work/master-$n.log" 2>&1 &
  pids+=($!)
  masters+=("$((port + n)):$!")
done
"$tepui" agent --ip=127.0.0.1 --hostname=localhost --port=$port --master="$zk" --launcher=posix --work_dir="$work/agent" \
  --runtime_dir="$work/run" --resources='cpus:2;mem:1024;disk:100' >"$work/agent.log" 2>&1 &
pids+=($!)
# pymesos fails with a ZooKeeper in which no master has ever registered.
until curl -fs -o "$work/redirect" "http://127.0.0.1:$((port + 1))/redirect"; do
  kill -0 "${pids[@]}" || { echo "the cluster did not start"; exit 1; }
  sleep 0.1
done
"$python" "$here/failover.py" "$zk" "${masters[@]}"
