#!/usr/bin/env bash
# A real dockerd for tests: Debian's package, with its own directories, socket and pid file, and no system service.
#   docker.sh install              installs the packages; exits with 77 and a reason if that is not possible
#   docker.sh start DIR            starts a daemon without networks of its own, whose socket is DIR/docker.sock
#   docker.sh start DIR bridge     starts it in a network namespace of its own, with a bridge and port mappings
#   docker.sh image DIR NAME       makes an image of busybox, in which /bin/sh is the first program
#   docker.sh pause DIR            stops the daemon's process: it takes connections and answers nothing
#   docker.sh continue DIR         lets it go on
#   docker.sh kill DIR             kills the daemon alone; DIR is kept, and `start` begins where it was
#   docker.sh stop DIR             removes its containers, and ends it with everything that it has started
set -euo pipefail

skip() { echo "docker: $*" >&2; exit 77; }

install_packages() {
  [ "$(id -u)" -eq 0 ] || skip "only root can start dockerd"
  "$(dirname "${BASH_SOURCE[0]}")/../packages/install.sh" dockerd=docker.io containerd runc iptables ip=iproute2 busybox=busybox-static curl
}

api() { local dir=$1; shift; curl --silent --fail --max-time 20 --unix-socket "$dir/docker.sock" "$@"; }

# Starts the daemon, in a session of its own, and waits until it serves.
start() {
  local dir=$1 kind=${2:-}
  mkdir -p "$dir"
  local flags=(--data-root "$dir/data" --exec-root "$dir/exec" --host "unix://$dir/docker.sock" --pidfile "$dir/pid"
    --group root --exec-opt native.cgroupdriver=cgroupfs --cgroup-parent "/tepui-docker-test-$(basename "$dir")")
  local enter=()
  if [ "$kind" = bridge ]; then
    # A network namespace lives as long as a process in it. This one holds it, and the addresses are the namespace's own.
    if ! [ -e "$dir/namespace" ] || ! kill -0 "$(cat "$dir/namespace")" 2>/dev/null; then
      setsid unshare --net sleep infinity </dev/null >/dev/null 2>&1 &
      echo $! >"$dir/namespace"
      for _ in $(seq 100); do
        [ "$(readlink "/proc/$(cat "$dir/namespace")/ns/net")" != "$(readlink /proc/self/ns/net)" ] && break
        sleep 0.02
      done
      nsenter --net --target "$(cat "$dir/namespace")" ip link set lo up
    fi
    enter=(nsenter --net --target "$(cat "$dir/namespace")")
    flags+=(--bip 172.31.251.1/24 --userland-proxy=true)
  else
    flags+=(--bridge=none --iptables=false --ip-forward=false)
  fi
  rm -f "$dir/pid"
  setsid "${enter[@]}" dockerd "${flags[@]}" >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/daemon"
  for _ in $(seq 400); do
    if api "$dir" http://docker/_ping >/dev/null 2>&1; then return; fi
    kill -0 "$(cat "$dir/daemon")" 2>/dev/null || { echo "docker: the daemon ended:" >&2; tail -n 5 "$dir/log" >&2; exit 77; }
    sleep 0.05
  done
  echo "docker: the daemon does not serve:" >&2
  tail -n 5 "$dir/log" >&2
  exit 1
}

image() {
  local dir=$1 name=$2 root
  root=$(mktemp -d "$dir/image.XXXXXX")
  mkdir -p "$root/bin" "$root/tmp" "$root/etc" "$root/mnt" "$root/proc" "$root/sys" "$root/dev"
  cp /bin/busybox "$root/bin/busybox"
  printf 'root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
  for program in sh cat echo sleep id env ls touch kill true false mkdir hostname ip httpd nc head tail tr dd ps mount grep sort wc test; do ln -s busybox "$root/bin/$program"; done
  tar -C "$root" --owner=0 --group=0 -cf "$root.tar" .
  api "$dir" -X POST -H 'Content-Type: application/x-tar' --data-binary "@$root.tar" \
    "http://docker/images/create?fromSrc=-&repo=${name%:*}&tag=${name##*:}&changes=CMD%20%5B%22/bin/sh%22,%22-c%22,%22echo%20the%20command%20of%20the%20image%22%5D" >/dev/null
  rm -rf "$root" "$root.tar"
}

# Prints the processes below one process, itself last.
tree() {
  local child
  for child in $(cat "/proc/$1/task/"*/children 2>/dev/null); do tree "$child"; done
  echo "$1"
}

kill_daemon() {
  local dir=$1 pid
  [ -e "$dir/daemon" ] || return 0
  pid=$(cat "$dir/daemon")
  kill -CONT "$pid" 2>/dev/null || true
  kill -KILL "$pid" 2>/dev/null || true
  # Its containerd ends by itself, or is told to: its pid file names it.
  for _ in $(seq 200); do kill -0 "$pid" 2>/dev/null || break; sleep 0.02; done
}

stop() {
  local dir=$1 pid id
  [ -d "$dir" ] || return 0
  if [ -e "$dir/daemon" ]; then
    pid=$(cat "$dir/daemon")
    kill -CONT "$pid" 2>/dev/null || true
    for id in $(api "$dir" 'http://docker/containers/json?all=1' 2>/dev/null | grep -o '"Id":"[0-9a-f]*"' | cut -d'"' -f4); do
      api "$dir" -X DELETE "http://docker/containers/$id?force=1&v=1" >/dev/null 2>&1 || true
    done
    local all
    all=$(tree "$pid")
    kill -TERM "$pid" 2>/dev/null || true
    for _ in $(seq 300); do kill -0 "$pid" 2>/dev/null || break; sleep 0.05; done
    for id in $all; do kill -KILL "$id" 2>/dev/null || true; done
  fi
  if [ -e "$dir/exec/containerd/containerd.pid" ]; then
    kill -KILL "$(cat "$dir/exec/containerd/containerd.pid")" 2>/dev/null || true
  fi
  # Shims outlive a daemon that was killed. Each of them names the socket of its containerd.
  for id in /proc/[0-9]*; do
    if tr '\0' ' ' <"$id/cmdline" 2>/dev/null | grep -q -F -- "-address $dir/exec/"; then
      for pid in $(tree "${id#/proc/}"); do kill -KILL "$pid" 2>/dev/null || true; done
    fi
  done
  if [ -e "$dir/namespace" ]; then kill -KILL "$(cat "$dir/namespace")" 2>/dev/null || true; fi
  local mount group
  for mount in $(awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r); do umount -l "$mount" 2>/dev/null || true; done
  group="tepui-docker-test-$(basename "$dir")"
  for mount in /sys/fs/cgroup /sys/fs/cgroup/*; do
    if [ -d "$mount/$group" ]; then find "$mount/$group" -depth -type d -exec rmdir {} + 2>/dev/null || true; fi
  done
  rm -rf "$dir/data" "$dir/exec" "$dir/docker.sock" "$dir/pid" "$dir/daemon" "$dir/namespace"
}

case "${1:-}" in
  install) install_packages ;;
  start) install_packages; start "$2" "${3:-}" ;;
  image) image "$2" "$3" ;;
  pause) kill -STOP "$(cat "$2/daemon")" ;;
  continue) kill -CONT "$(cat "$2/daemon")" ;;
  kill) kill_daemon "$2" ;;
  stop) stop "$2" ;;
  *) echo "usage: docker.sh install | start DIR [bridge] | image DIR NAME:TAG | pause DIR | continue DIR | kill DIR | stop DIR" >&2; exit 2 ;;
esac
