#!/usr/bin/env bash
# Installs missing packages for building and testing. As root it uses apt; without root it prints their names.
set -euo pipefail
if ! command -v cargo >/dev/null; then
  echo "Rust is missing: install it from https://rustup.rs and run this again" >&2
  exit 1
fi
tested=$(sed -n 's/^tested = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")
found=$(rustc --version | cut -d' ' -f2)
[ "$found" = "$tested" ] || echo "note: this is Rust $found and CI has $tested: formatting and lints may differ" >&2
missing=()
command -v cc >/dev/null || missing+=(gcc libc6-dev)
command -v curl >/dev/null || missing+=(curl)
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
python3 -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' 2>/dev/null || missing+=(python3-dev)
can_install() { [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; }
install() {
  echo "installing $*"
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}
# `make run` makes an image of it where no registry is reachable, and says so if it is missing.
if ! command -v busybox >/dev/null && can_install; then
  install busybox-static || echo "note: busybox-static cannot be installed: make run may have no container image" >&2
fi
[ ${#missing[@]} -eq 0 ] && exit 0
if can_install; then
  install "${missing[@]}"
else
  echo "please install: ${missing[*]}" >&2
  exit 1
fi
