#!/usr/bin/env bash
# Starts a local cluster, shows a batch, a container image and a pod on it, and leaves it running until Ctrl-C.
#   run.sh TEPUI-BINARY [--oneshot]
# The image is pulled from the registry, or made of this machine's busybox if none is reachable.
set -euo pipefail
tepui=$(realpath "$1")
oneshot=${2:-}
here=$(cd "$(dirname "$0")/.." && pwd)
port=${PORT:-5050}
work=$(mktemp -d "${TMPDIR:-/tmp}/tepui-XXXXXX")
export MESOS_DOCKER_STORE_DIR=$work/images
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
run() { "$tepui" run --master "127.0.0.1:$port" "$@"; }
echo "running the tasks of examples/demo.tasks"
run --name demo --batch "$here/examples/demo.tasks" --instances "${INSTANCES:-3}"

# Gets the image `busybox`, or says why there is none. Without root, containers with images need user namespaces.
image() {
  local why
  if [ "$(id -u)" -ne 0 ] && ! why=$("$tepui" container-launch --probe 2>&1); then
    echo "the container image is left out: ${why##*: }; as root it works" >&2
    return 1
  fi
  if timeout 10 "$tepui" image pull busybox >/dev/null 2>&1; then return; fi
  echo "no registry is reachable: making an image of this machine's busybox"
  why=$("$here/scripts/busybox-image.sh" "$work/busybox" 2>&1) || { echo "the container image is left out: $why" >&2; return 1; }
  "$tepui" image import --as busybox "$work/busybox" >/dev/null
}
pod=$work/web.pod.json
if image; then
  echo "running a command in the image busybox"
  run --name in-image --image busybox -- 'cat /etc/motd 2>/dev/null; echo "programs in the image: $(ls /bin | wc -l), processes: $(ls -d /proc/[0-9]* | wc -l)"'
  cp "$here/examples/web.pod.json" "$pod"
else
  grep -v '"image"' "$here/examples/web.pod.json" >"$pod"
fi
# Tasks of agents on one machine share its ports.
web=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/8000/$web/g" "$pod"
echo "running the pod of examples/web.pod.json: a server with a health check, and a client"
run --pod "$pod"

if [ -n "$oneshot" ]; then
  echo "stopping the cluster"
  exit 0
fi
cat "$work/local.out"
echo "(the command is $tepui)"
wait $cluster || true
