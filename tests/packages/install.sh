#!/usr/bin/env bash
# Installs packages of Debian that tests use: install.sh PROGRAM[=PACKAGE]…; without PACKAGE, it has the name of the program.
# PROGRAM may be the path of any file. Exits with 77 and a reason if that is not possible. No service is started.
set -euo pipefail

skip() { echo "packages: $*" >&2; exit 77; }

find_missing() {
  missing=()
  for wanted; do
    command -v "${wanted%%=*}" >/dev/null || [ -e "${wanted%%=*}" ] || missing+=("${wanted#*=}")
  done
}

find_missing "$@"
[ "${#missing[@]}" -gt 0 ] || exit 0
[ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null || skip "please install ${missing[*]}"
# Tests start at the same time, and the package manager serves one of them.
exec 8>"${TMPDIR:-/tmp}/tepui-packages.lock"
flock 8
find_missing "$@"
[ "${#missing[@]}" -gt 0 ] || exit 0
# The policy keeps the installed services from starting by themselves.
policy=/usr/sbin/policy-rc.d own=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  own=yes
fi
failed=
{ apt-get update -qq >&2 \
  && DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } || failed=yes
[ -z "$own" ] || rm -f "$policy"
[ -z "$failed" ] || skip "${missing[*]} cannot be installed"
