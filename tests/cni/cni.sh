#!/usr/bin/env bash
# The plugins of CNI for tests: Debian's package, used in network namespaces that the tests make.
#   cni.sh install      installs the packages and prints the directory of the plugins; exits with 77 and a reason if that is
#                       not possible
set -euo pipefail

plugins=/usr/lib/cni

skip() { echo "cni: $*" >&2; exit 77; }

installed() { [ -x "$plugins/bridge" ] && [ -x "$plugins/portmap" ] && command -v iptables >/dev/null && command -v ip >/dev/null; }

install_packages() {
  if installed; then return; fi
  [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || skip "please install the packages containernetworking-plugins, iptables and iproute2"
  # Tests start at the same time, and the package manager serves one of them. All scripts of tests have this lock.
  exec 8>"${TMPDIR:-/tmp}/tepui-packages.lock"
  flock 8
  if installed; then exec 8>&-; return; fi
  { apt-get update -qq >&2 \
    && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends containernetworking-plugins iptables iproute2 >/dev/null; } \
    || skip "the package containernetworking-plugins cannot be installed"
  exec 8>&-
}

case ${1:-} in
  install) install_packages; echo "$plugins" ;;
  *) echo "usage: cni.sh install" >&2; exit 2 ;;
esac
