#!/usr/bin/env bash
# Makes an image of busybox without a registry and without root: an OCI image layout, which `tepui image import` reads.
#   busybox-image.sh DIR      DIR is created; exits with 77 and a reason if this machine has no static busybox
set -euo pipefail
out=$1
skip() { echo "$*" >&2; exit 77; }
program=$(command -v busybox) || skip "no program busybox (Debian: apt-get install busybox-static)"
# The path of a dynamic loader is in the first page of a program that needs one, and an image of one program has none.
if head -c 4096 "$program" | grep -qa '/ld-'; then skip "$program is not statically linked (Debian: apt-get install busybox-static)"; fi
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT
mkdir -p "$files/bin" "$files/etc" "$files/root" "$files/tmp" "$out/blobs/sha256"
chmod 1777 "$files/tmp"
cp "$program" "$files/bin/busybox"
for name in $("$program" --list); do
  [ "$name" = busybox ] || ln -s busybox "$files/bin/$name"
done
echo "root:x:0:0:root:/root:/bin/sh" >"$files/etc/passwd"
echo "root:x:0:" >"$files/etc/group"
echo "Welcome to an image that was made of busybox on this machine." >"$files/etc/motd"

# Moves a file to the blobs and prints its descriptor.
blob() {
  local type=$1 file=$2 digest
  digest=$(sha256sum "$file" | cut -d' ' -f1)
  mv "$file" "$out/blobs/sha256/$digest"
  printf '{"mediaType":"%s","digest":"sha256:%s","size":%d}' "$type" "$digest" "$(stat -c %s "$out/blobs/sha256/$digest")"
}

case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) arch=$(uname -m) ;; esac
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$files" -cf "$out/layer" .
diff_id=$(sha256sum "$out/layer" | cut -d' ' -f1)
layer=$(blob application/vnd.oci.image.layer.v1.tar "$out/layer")
printf '{"architecture":"%s","os":"linux","config":{"Cmd":["sh"],"Env":["PATH=/bin"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
  "$arch" "$diff_id" >"$out/config"
config=$(blob application/vnd.oci.image.config.v1+json "$out/config")
type=application/vnd.oci.image.manifest.v1+json
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s]}' "$type" "$config" "$layer" >"$out/manifest"
manifest=$(blob "$type" "$out/manifest")
printf '{"imageLayoutVersion":"1.0.0"}' >"$out/oci-layout"
printf '{"schemaVersion":2,"manifests":[%s]}' "$manifest" >"$out/index.json"
