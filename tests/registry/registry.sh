#!/usr/bin/env bash
# A real Docker registry on loopback for tests: Debian's package, own data directory and port, no system service.
#   registry.sh install             installs the packages; exits with 77 and a reason if that is not possible
#   registry.sh start DIR [KIND]    starts a registry with its data below DIR; prints host:port
#                                   KIND: plain, basic (user:password), tls (basic and TLS; the authority is DIR/ca.pem)
#   registry.sh stop DIR            kill -9 of the registry; DIR is kept
set -euo pipefail

install_packages() {
  "$(dirname "${BASH_SOURCE[0]}")/../packages/install.sh" docker-registry htpasswd=apache2-utils openssl busybox=busybox-static
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
