#!/usr/bin/env bash
# The plugins of CNI for tests: Debian's package, used in network namespaces that the tests make.
#   cni.sh install      installs the packages and prints the directory of the plugins; exits with 77 and a reason if that is
#                       not possible
set -euo pipefail

plugins=/usr/lib/cni

install_packages() {
  "$(dirname "${BASH_SOURCE[0]}")/../packages/install.sh" \
    "$plugins/bridge=containernetworking-plugins" "$plugins/portmap=containernetworking-plugins" iptables ip=iproute2
}

case ${1:-} in
  install) install_packages; echo "$plugins" ;;
  *) echo "usage: cni.sh install" >&2; exit 2 ;;
esac
