#!/usr/bin/env bash
# Compares Tepui with Mesos 1.11 on this machine: behaviour (conformance, replay) or speed (load).
#   CPP_MESOS=DIR scripts/compare.sh behaviour|speed
# DIR contains `master`, `agent` and `libexec` of Mesos. The script builds the programs that it needs with cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-behaviour}
mesos=${CPP_MESOS:?name the directory of a genuine Mesos: CPP_MESOS=DIR}
cargo build --release --locked -q -p tepui -p conformance -p load
bin=target/release
work=$(mktemp -d)
pids=()
stop() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap stop EXIT
background() { "$@" >"$work/$((${#pids[@]})).log" 2>&1 & pids+=($!); }
ready() { until curl -fsS "http://$1/version" >/dev/null 2>&1; do sleep 0.1; done; }
agents() { until curl -fsS "http://$1/slaves" | grep -q '"pid"'; do sleep 0.1; done; }

background env LIBPROCESS_IP=127.0.0.1 LIBPROCESS_PORT=25050 MESOS_REGISTRY=in_memory GLOG_minloglevel=2 "$mesos/master" "$work/mesos"
genuine=${pids[-1]}
background $bin/tepui master --ip=127.0.0.1 --port=25060 --work_dir="$work/tepui" --quiet
ours=${pids[-1]}
ready 127.0.0.1:25050
ready 127.0.0.1:25060
case $what in
  speed)
    $bin/load run --master 127.0.0.1:25060 --master-pid "$ours" --versus 127.0.0.1:25050 --versus-pid "$genuine"
    ;;
  behaviour)
    background env LIBPROCESS_IP=127.0.0.1 LIBPROCESS_PORT=25051 MESOS_LAUNCHER=posix MESOS_ISOLATION=posix/cpu,posix/mem \
      MESOS_SYSTEMD_ENABLE_SUPPORT=false MESOS_LAUNCHER_DIR="$mesos/libexec" GLOG_minloglevel=2 \
      "$mesos/agent" --master=127.0.0.1:25050 --work_dir="$work/mesos-agent" --runtime_dir="$work/mesos-agent/run"
    background $bin/tepui agent --master=127.0.0.1:25060 --ip=127.0.0.1 --port=25061 --work_dir="$work/tepui-agent" \
      --runtime_dir="$work/tepui-agent/run" --cgroups_root=tepui-compare
    agents 127.0.0.1:25050
    agents 127.0.0.1:25060
    status=0
    $bin/conformance --master 127.0.0.1:25060 --agent 127.0.0.1:25061 --versus 127.0.0.1:25050 --versus-agent 127.0.0.1:25051 || status=$?
    $bin/conformance replay --master 127.0.0.1:25050 --versus 127.0.0.1:25060 || status=$?
    exit $status
    ;;
  *)
    echo "usage: CPP_MESOS=DIR $0 behaviour|speed" >&2
    exit 2
    ;;
esac
