#!/usr/bin/env bash
# A machine with a pure cgroup v2 hierarchy and systemd, in qemu under emulation, for the tests of containers:
# Debian's kernel and a minimal root image, which is built once and kept.
#   machine.sh install             installs what is needed; exits with 77 and a reason if that is not possible
#   machine.sh image DIR           builds the root image, the kernel and the initrd in DIR, unless they are there
#   machine.sh run DIR STAGE       boots it with the files of STAGE as a read-only disk, runs STAGE/inside.sh there as
#                                  root, shows its output, and exits with its code; DIR/console.log has the kernel's
# CGROUP2_SECONDS: the time after which the machine is ended (default 1500). CGROUP2_MEMORY: its megabytes (2048).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# What the tests need in the machine: users' ranges of ids, XFS with its quota, a service manager, busybox for images.
inside=(systemd systemd-sysv dbus linux-image-cloud-amd64 procps kmod uidmap xfsprogs quota busybox-static iproute2 gcc libc6-dev)

skip() { echo "cgroup2: $*" >&2; exit 77; }

install_packages() {
  [ "$(uname -m)" = x86_64 ] || skip "the machine is an x86-64"
  "$here/../packages/install.sh" qemu-system-x86_64=qemu-system-x86 mmdebstrap mkfs.ext4=e2fsprogs
}

# The image is built again when this list, the unit or the release of the host changes: test programs are built on the
# host, and need its C library.
version() {
  . /etc/os-release
  { echo "${VERSION_CODENAME:-trixie} ${inside[*]}"; cat "$here/machine.service"; } | sha256sum | cut -c1-16
}

build_image() {
  local dir=$1 name work codename
  name=$(version)
  [ -e "$dir/$name/root.ext4" ] && { echo "$dir/$name"; return; }
  [ "$(id -u)" -eq 0 ] || skip "building the image needs root"
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-trixie}")
  mkdir -p "$dir"
  work=$(mktemp -d "$dir/building.XXXXXX")
  # On one file system: whatever should still be mounted in the tree is not this script's to remove.
  trap 'rm -rf --one-file-system "$work"' EXIT
  echo "cgroup2: building the image of the machine (once)" >&2
  # In a mount namespace of its own: what it mounts in the tree is gone with it, also when it fails.
  unshare --mount --propagation private -- mmdebstrap --quiet --variant=minbase --include="$(IFS=,; echo "${inside[*]}")" \
    --customize-hook="cp $here/machine.service \$1/etc/systemd/system/ && systemctl --root=\$1 enable machine.service" \
    --customize-hook='ln -sf /dev/null $1/etc/systemd/system/systemd-firstboot.service; rm -rf $1/var/cache/apt $1/var/lib/apt/lists' \
    "$codename" "$work/tree" >&2 || skip "mmdebstrap failed"
  cp "$work"/tree/boot/vmlinuz-* "$work/kernel"
  cp "$work"/tree/boot/initrd.img-* "$work/initrd"
  rm -rf "$work"/tree/boot/*
  mkfs.ext4 -q -d "$work/tree" -L root "$work/root.ext4" 6G >/dev/null
  rm -rf --one-file-system "$work/tree"
  chmod 755 "$work"
  rm -rf "${dir:?}/$name"
  mv "$work" "$dir/$name"
  trap - EXIT
  echo "$dir/$name"
}

# Runs the machine. The second serial line has the output of inside.sh; its last line is the exit code.
run_machine() {
  local dir=$1 stage=$2 image disk qemu code
  image=$(build_image "$dir")
  disk=$dir/stage.ext4
  rm -f "$disk"
  mkfs.ext4 -q -F -d "$stage" -L stage "$disk" "$(($(du -sm --apparent-size "$stage" | cut -f1) * 11 / 10 + 64))M" >/dev/null
  : >"$dir/output.log"
  # Never the processor's own virtualisation: the emulation is the same everywhere.
  TMPDIR=$dir timeout --kill-after=10 "${CGROUP2_SECONDS:-1500}" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 \
    -m "${CGROUP2_MEMORY:-2048}" -display none -monitor none -no-reboot -nic none \
    -kernel "$image/kernel" -initrd "$image/initrd" \
    -append "root=/dev/vda rw console=ttyS0 quiet systemd.show_status=false panic=-1" \
    -drive "file=$image/root.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -drive "file=$disk,format=raw,if=virtio,readonly=on" \
    -serial "file:$dir/console.log" -serial "file:$dir/output.log" </dev/null &
  qemu=$!
  trap 'kill "$qemu" 2>/dev/null || true; rm -f "$disk"' EXIT
  tail --pid="$qemu" -n +1 -f "$dir/output.log" | sed -u 's,\r,,g' &
  wait "$qemu" || echo "cgroup2: the machine was ended after ${CGROUP2_SECONDS:-1500} s" >&2
  wait
  code=$(tr -d '\r' <"$dir/output.log" | sed -n 's/^machine: exit \([0-9]*\)$/\1/p' | tail -n 1)
  if [ -z "$code" ]; then
    tail -n 20 "$dir/console.log" >&2
    echo "cgroup2: the tests did not end; $dir/console.log has the messages of the kernel" >&2
    exit 1
  fi
  exit "$code"
}

case ${1:-} in
  install) install_packages ;;
  image) install_packages; build_image "${2:?DIR}" ;;
  run) install_packages; run_machine "${2:?DIR}" "${3:?STAGE}" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
