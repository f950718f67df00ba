#!/bin/sh
# Runs in the machine of machine.sh, as root: an agent in a unit of systemd with Delegate=yes keeps its containers in the
# cgroup of the unit, itself in a child of it, and changes nothing outside.
#   delegation.sh TEPUI
set -eu
tepui=$1
work=$(mktemp -d /var/tmp/delegation.XXXXXX)
unit=tepui-agent-test
cgroup=/sys/fs/cgroup/system.slice/$unit.service
master=127.0.0.1:15050
fail() {
  echo "delegation: $*"
  systemctl status --no-pager --full $unit || true
  journalctl --no-pager -u $unit -n 50 || true
  tail -n 20 "$work"/*.log
  exit 1
}
# Calls a command until it succeeds, for a minute at most.
until_true() {
  what=$1
  shift
  end=$(($(date +%s) + 60))
  until "$@" >/dev/null 2>&1; do
    [ "$(date +%s)" -lt $end ] || fail "never: $what"
    sleep 0.2
  done
}
"$tepui" master --ip=127.0.0.1 --port=15050 --work_dir="$work/master" --registry=in_memory >"$work/master.log" 2>&1 &
server=$!
finish() {
  systemctl stop $unit 2>/dev/null || true
  rm -f /run/systemd/system/$unit.service
  systemctl daemon-reload || true
  kill $server 2>/dev/null || true
}
trap finish EXIT
mkdir -p /run/systemd/system
cat >/run/systemd/system/$unit.service <<UNIT
[Service]
Delegate=yes
ExecStart=$tepui agent --ip=127.0.0.1 --port=15051 --master=$master --work_dir=$work/agent --runtime_dir=$work/run --launcher=linux --cgroups_enable_cfs --resources=cpus:2;mem:512;disk:512
UNIT
systemctl daemon-reload
outside() { find /sys/fs/cgroup -path "$cgroup" -prune -o -type d -name mesos -print; }
before=$(cat /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/system.slice/cgroup.subtree_control)
systemctl start $unit
registered() { "$tepui" agents --master=$master | grep -q active; }
until_true "the agent is registered" registered
"$tepui" run --master=$master --name=sleeper --cpus=0.5 --mem=64 --detach -- 'exec sleep 4711' >/dev/null || fail "no task"
pid_of_task() { pgrep -x -f 'sleep 4711'; }
until_true "the task runs" pid_of_task
task=$(cat "/proc/$(pid_of_task)/cgroup")
agent=$(cat "/proc/$(systemctl show --value -p MainPID $unit)/cgroup")
[ "$agent" = "0::/system.slice/$unit.service/agent" ] || fail "the agent is in $agent"
case $task in
  "0::/system.slice/$unit.service/mesos/"*/leaf) ;;
  *) fail "the task is in $task" ;;
esac
own=/sys/fs/cgroup${task#0::}
own=${own%/leaf}
[ "$(cat "$own/memory.max")" -gt $((64 << 20)) ] || fail "memory.max is $(cat "$own/memory.max")"
[ "$(cat "$own/cpu.max")" != "max 100000" ] || fail "cpu.max is not set"
[ -z "$(outside)" ] || fail "cgroups outside of the unit: $(outside)"
after=$(cat /sys/fs/cgroup/cgroup.subtree_control /sys/fs/cgroup/system.slice/cgroup.subtree_control)
for controller in $before; do
  case " $(echo "$after" | tr '\n' ' ') " in *" $controller "*) ;; *) fail "$controller is not passed on any more" ;; esac
done
systemctl stop $unit
until_true "the unit has no cgroup" test ! -e "$cgroup"
! pid_of_task >/dev/null || fail "the task has outlived its unit"
