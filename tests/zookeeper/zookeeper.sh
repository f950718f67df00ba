#!/usr/bin/env bash
# A real ZooKeeper ensemble on loopback for tests: Debian's package, own data directories and ports, no system service.
#   zookeeper.sh install           installs the package; exits with 77 and a reason if that is not possible
#   zookeeper.sh start DIR [N=1]   starts N servers with their data below DIR; prints host:port,host:port…
#   zookeeper.sh kill DIR I        kill -9 of server I (from 1)
#   zookeeper.sh up DIR I          starts server I again, with its data
#   zookeeper.sh stop DIR          kill -9 of all servers; DIR is kept
# ZK_TICK: milliseconds of a tick (default 2000, as deployed); a session lasts at least two ticks.
set -euo pipefail
jar=/usr/share/java/zookeeper.jar
tick=${ZK_TICK:-2000}

install_package() {
  "$(dirname "${BASH_SOURCE[0]}")/../packages/install.sh" "$jar=zookeeper" java=default-jre-headless
}

# Chooses ports below those that the kernel gives to clients, so that a killed server can use its port again.
free_ports() {
  python3 - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    candidate = socket.socket()
    try:
        candidate.bind(("127.0.0.1", random.randrange(12000, 30000)))
        held.append(candidate)
    except OSError:
        candidate.close()
print(*[s.getsockname()[1] for s in held])
PYTHON
}

launch() {
  local dir=$1 id=$2
  (
    cd "$dir"
    # A small heap and only the first compiler, because a server of a test runs for seconds.
    exec setsid java -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto \
      -Dzookeeper.admin.enableServer=false -Dzookeeper.jmx.log4j.disable=true \
      -Dzookeeper.forceSync=${ZK_FORCE_SYNC:-yes} \
      -cp "$jar" org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/$id.cfg" \
      >>"$dir/$id.log" 2>&1 </dev/null
  ) &
  echo $! >"$dir/$id.pid"
}

# Prints the state of the server on a port, or nothing while it does not serve. A starting server accepts connections
# before it answers.
mode() {
  timeout 1 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf srvr >&3 && sed -n "s/^Mode: //p" <&3' "$1" || true
}

await() {
  local dir=$1 id=$2 port
  port=$(sed -n 's/^clientPort=//p' "$dir/$id.cfg")
  for _ in $(seq 600); do
    [ -n "$(mode "$port" 2>/dev/null)" ] && return
    kill -0 "$(cat "$dir/$id.pid")" 2>/dev/null || { echo "zookeeper: server $id ended:" >&2; tail -n 5 "$dir/$id.log" >&2; exit 1; }
    sleep 0.05
  done
  echo "zookeeper: server $id does not serve" >&2
  exit 1
}

start() {
  local dir=$1 count=${2:-1} ports servers=() peers=()
  mkdir -p "$dir"
  read -r -a ports <<<"$(free_ports $((count * 3)))"
  for id in $(seq "$count"); do
    peers+=("server.$id=127.0.0.1:${ports[count + id - 1]}:${ports[2 * count + id - 1]}")
  done
  for id in $(seq "$count"); do
    local data=$dir/data-$id port=${ports[id - 1]}
    mkdir -p "$data"
    echo "$id" >"$data/myid"
    {
      printf '%s\n' "tickTime=$tick" "initLimit=20" "syncLimit=5" "dataDir=$data" "clientPort=$port" \
        "clientPortAddress=127.0.0.1" "maxClientCnxns=0" "4lw.commands.whitelist=srvr,mntr" "maxSessionTimeout=60000"
      [ "$count" -eq 1 ] || printf '%s\n' "${peers[@]}"
    } >"$dir/$id.cfg"
    servers+=("127.0.0.1:$port")
    launch "$dir" "$id"
  done
  for id in $(seq "$count"); do await "$dir" "$id"; done
  (IFS=,; echo "${servers[*]}")
}

end() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 0
  # Ends only processes that this script has started, because the pid may belong to another process by now.
  if tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "QuorumPeerMain $(dirname "$1")/"; then
    kill -KILL "$pid" 2>/dev/null || true
    while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done
  fi
  rm -f "$1"
}

command=${1:-}
shift || true
case $command in
  install) install_package ;;
  start) install_package; start "$(realpath -m "$1")" "${2:-1}" ;;
  kill) end "$(realpath "$1")/$2.pid" ;;
  up) launch "$(realpath "$1")" "$2"; await "$(realpath "$1")" "$2" ;;
  stop) for file in "$(realpath "$1")"/*.pid; do end "$file"; done ;;
  *) sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
