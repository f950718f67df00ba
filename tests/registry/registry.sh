#!/usr/bin/env bash
# A real Docker registry on loopback for tests: Debian's package, own data directory and port, no system service.
#   registry.sh install             installs the packages; exits with 77 and a reason if that is not possible
#   registry.sh start DIR [KIND]    starts a registry with its data below DIR; prints host:port
#                                   KIND: plain, basic (user:password), tls (basic and TLS; the authority is DIR/ca.pem)
#   registry.sh stop DIR            kill -9 of the registry; DIR is kept
set -euo pipefail

skip() { echo "registry: $*" >&2; exit 77; }

installed() { command -v docker-registry >/dev/null && command -v htpasswd >/dev/null && command -v openssl >/dev/null && [ -e /bin/busybox ]; }

install_packages() {
  if installed; then return; fi
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || skip "please install the packages docker-registry, apache2-utils, openssl and busybox-static"
  # Tests start at the same time, and the package manager serves one of them.
  exec 8>"${TMPDIR:-/tmp}/tepui-packages.lock"
  flock 8
  if installed; then exec 8>&-; return; fi
  # The policy keeps the installed services from starting by themselves.
  local policy=/usr/sbin/policy-rc.d own=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    own=yes
  fi
  local failed=
  { apt-get update -qq >&2 \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends docker-registry apache2-utils openssl busybox-static >/dev/null; } || failed=yes
  [ -z "$own" ] || rm -f "$policy"
  [ -z "$failed" ] || skip "the package docker-registry cannot be installed"
  exec 8>&-
}

# Prints a free port below those that the kernel gives to clients.
free_port() {
  python3 - <<'PYTHON'
import random, socket
while True:
    with socket.socket() as candidate:
        try:
            candidate.bind(("127.0.0.1", random.randrange(12000, 30000)))
        except OSError:
            continue
        print(candidate.getsockname()[1])
        break
PYTHON
}

certificates() {
  local dir=$1
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 -subj "/CN=test authority" \
    -keyout "$dir/ca.key" -out "$dir/ca.pem" 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=127.0.0.1" \
    -keyout "$dir/server.key" -out "$dir/server.csr" 2>/dev/null
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 3650 \
    -extfile <(echo "subjectAltName=IP:127.0.0.1,DNS:localhost") -out "$dir/server.pem" 2>/dev/null
}

start() {
  local dir=$1 kind=${2:-plain} port
  mkdir -p "$dir"
  port=$(free_port)
  {
    echo "version: 0.1"
    echo "log: {level: error}"
    echo "storage: {filesystem: {rootdirectory: \"$dir/data\"}}"
    echo "http:"
    echo "  addr: 127.0.0.1:$port"
    if [ "$kind" = tls ]; then
      certificates "$dir"
      echo "  tls: {certificate: \"$dir/server.pem\", key: \"$dir/server.key\"}"
    fi
    if [ "$kind" != plain ]; then
      htpasswd -Bbn user password >"$dir/htpasswd"
      echo "auth: {htpasswd: {realm: test, path: \"$dir/htpasswd\"}}"
    fi
  } >"$dir/config.yml"
  setsid docker-registry serve "$dir/config.yml" >>"$dir/log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 200); do
    if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "127.0.0.1:$port"
      return
    fi
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || { echo "registry: ended:" >&2; tail -n 5 "$dir/log" >&2; exit 1; }
    sleep 0.05
  done
  echo "registry: does not serve" >&2
  exit 1
}

case "${1:-}" in
  install) install_packages ;;
  start) install_packages; start "$2" "${3:-plain}" ;;
  stop) kill -9 "$(cat "$2/pid")" 2>/dev/null || true ;;
  *) echo "usage: registry.sh install | start DIR [plain|basic|tls] | stop DIR" >&2; exit 2 ;;
esac
