#!/usr/bin/env bash
# Measures how long the pull of an image takes, in Tepui and in other programs: ten layers with 500 MB of files, from a registry on
# this machine. Each pull begins with an empty store; the fastest of several counts.
#   scripts/compare-images.sh [ROUNDS]      needs root; TEPUI=PROGRAM measures that one (default: target/release/tepui)
# It compares with skopeo (copy into a directory, without unpacking) and docker, which it installs, with a daemon of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
rounds=${1:-3}
tepui=${TEPUI:-target/release/tepui}
[ -x "$tepui" ] || cargo build --release --locked -q -p tepui
registry=$PWD/tests/registry/registry.sh
work=$(mktemp -d)
stop() {
  [ ! -e "$work/docker/pid" ] || { kill "$(cat "$work/docker/pid")" && tail --pid="$(cat "$work/docker/pid")" -f /dev/null; } || true
  "$registry" stop "$work/registry" || true
  rm -rf "$work"
}
trap stop EXIT
tests/packages/install.sh curl python3 skopeo || echo "skopeo is not compared" >&2
tests/packages/install.sh dockerd=docker.io || echo "docker is not compared" >&2
# Starts a daemon that changes nothing of the machine's network, and waits until it serves.
start_docker() {
  mkdir -p "$work/docker"
  export DOCKER_HOST=unix://$work/docker/socket
  dockerd --data-root "$work/docker/data" --exec-root "$work/docker/exec" -H "$DOCKER_HOST" --pidfile "$work/docker/pid" \
    --bridge=none --iptables=false --ip-forward=false >"$work/docker/log" 2>&1 </dev/null &
  for _ in $(seq 100); do
    docker version >/dev/null 2>&1 && return
    sleep 0.1
  done
  tail -n 5 "$work/docker/log" >&2
  return 1
}
at=$("$registry" start "$work/registry" plain)

# Uploads a blob and prints its descriptor.
push() {
  local type=$1 file=$2 digest location
  digest=sha256:$(sha256sum "$file" | cut -d' ' -f1)
  location=$(curl -fsS -i -X POST "http://$at/v2/app/blobs/uploads/" | tr -d '\r' | grep -i '^location: ' | cut -d' ' -f2-)
  case $location in *\?*) location="$location&digest=$digest" ;; *) location="$location?digest=$digest" ;; esac
  curl -fsS -X PUT -H 'content-type: application/octet-stream' -T "$file" "$location" >/dev/null
  printf '{"mediaType":"%s","digest":"%s","size":%d}' "$type" "$digest" "$(stat -c %s "$file")"
}

echo "making the image" >&2
layers=() diff_ids=()
for layer in $(seq 10); do
  mkdir -p "$work/files/layer$layer"
  # Half of the bytes can be compressed, as with programs. A layer has 1,000 small files and one large one.
  python3 - "$work/files/layer$layer" "$layer" <<'PYTHON'
import os, random, sys
root, seed = sys.argv[1], int(sys.argv[2])
chance = random.Random(seed)
def data(size):
    return b"".join(chance.randbytes(2048) + b"0123456789abcdef" * 128 for _ in range(size // 4096))
for number in range(1000):
    directory = f"{root}/d{number % 20}"
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/f{number}", "wb") as file:
        file.write(data(16384))
with open(f"{root}/large", "wb") as file:
    for _ in range(34):
        file.write(data(1 << 20))
PYTHON
  tar --sort=name --owner=0 --group=0 --mtime=@0 -C "$work/files" -cf "$work/layer.tar" "layer$layer"
  rm -rf "$work/files/layer$layer"
  diff_ids+=("\"sha256:$(sha256sum "$work/layer.tar" | cut -d' ' -f1)\"")
  gzip -1 -n -f "$work/layer.tar"
  layers+=("$(push application/vnd.docker.image.rootfs.diff.tar.gzip "$work/layer.tar.gz")")
done
joined() { local IFS=,; echo "$*"; }
printf '{"architecture":"amd64","os":"linux","config":{"Cmd":["true"]},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
  "$(joined "${diff_ids[@]}")" >"$work/config"
type=application/vnd.docker.distribution.manifest.v2+json
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$type" \
  "$(push application/vnd.docker.container.image.v1+json "$work/config")" "$(joined "${layers[@]}")" >"$work/manifest"
curl -fsS -X PUT -H "content-type: $type" --data-binary "@$work/manifest" "http://$at/v2/app/manifests/t" >/dev/null

# Prints the shortest time of a command in seconds. The second command prepares each round.
measure() {
  local name=$1 prepare=$2 command=$3 best='' begin time
  for _ in $(seq "$rounds"); do
    eval "$prepare" >/dev/null 2>&1 || true
    sync
    begin=$(date +%s.%N)
    eval "$command" >/dev/null
    time=$(awk -v a="$begin" -v b="$(date +%s.%N)" 'BEGIN { printf "%.2f", b - a }')
    if [ -z "$best" ] || awk -v a="$time" -v b="$best" 'BEGIN { exit !(a < b) }'; then best=$time; fi
  done
  printf '%-44s %s s\n' "$name" "$best"
}

measure "tepui image pull (unpacked, synced)" "rm -rf $work/store" \
  "$tepui image pull --plain-http --docker_store_dir=$work/store $at/app:t"
if command -v skopeo >/dev/null; then
  measure "skopeo copy (packed, not synced)" "rm -rf $work/oci" \
    "skopeo copy -q --src-tls-verify=false docker://$at/app:t oci:$work/oci:t"
fi
if command -v dockerd >/dev/null && start_docker; then
  measure "docker pull (unpacked)" "docker rmi -f $at/app:t" "docker pull -q $at/app:t"
  docker rmi -f "$at/app:t" >/dev/null 2>&1 || true
fi
