#!/usr/bin/env bash
# usage: scripts/container/stand-in-base.sh [engine...]
# Makes localhost/marina-base:standin, which stands in for the official Bun image where no registry can be reached, and
# prints its name: podman build --build-arg BASE="$(scripts/container/stand-in-base.sh)" -t marina .
# The engine is podman unless named, with its global options: stand-in-base.sh podman --root=/somewhere
#
# What is in it is what Marina's image takes from the official one: a C library, a shell, the coreutils, CA
# certificates, bun in /usr/local/bin and a user bun (1000). The files are this machine's own, its CA certificates too:
# a build trusts what this machine trusts. They are copied anew at each call: that takes about a second.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tag=localhost/marina-base:standin
bun=node_modules/bun/bin/bun.exe
commands=(bash sh cat chmod chown cp date echo env false getent head id ls mkdir mv rm rmdir sleep stat tail test touch
  true tr uname wc)
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

fail() {
  echo "marina stand-in base: $*" >&2
  exit 1
}

[[ $# -gt 0 ]] || set -- podman
[[ $(uname -s) == Linux ]] || fail 'it is made of files of this machine, which is not Linux'
[[ -x $bun ]] || fail 'bun is not installed; run node scripts/setup.mjs first'
[[ -r $certificates ]] || fail "there are no CA certificates in $certificates; set SSL_CERT_FILE"
programs=()
for command in "${commands[@]}"; do
  programs+=("$(type -P "$command")") || fail "$command is not on this machine"
done
# Every shared library that the programs need, and the loader.
libraries=$(ldd "${programs[@]}" "$bun" | grep -oE '/[^ :]+\.so[^ :]*' | sort -u)

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{dev,etc/ssl/certs,home/bun,proc,root,run,sys,tmp,usr/bin,usr/lib,usr/lib64,usr/local/bin,var/tmp}
for folder in bin lib lib64; do ln -s "usr/$folder" "$root/$folder"; done
cp -L "${programs[@]}" "$root/usr/bin/"
for library in $libraries; do
  mkdir -p "$root${library%/*}"
  cp -L "$library" "$root$library"
done
cp "$bun" "$root/usr/local/bin/bun"
ln -s bun "$root/usr/local/bin/bunx"
cp -L "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"
printf '%s\n' root:x:0:0:root:/root:/bin/sh bun:x:1000:1000::/home/bun:/bin/sh >"$root/etc/passwd"
printf '%s\n' root:x:0: bun:x:1000: >"$root/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files dns' >"$root/etc/nsswitch.conf"
# mktemp made the root folder for its owner only.
chmod 755 "$root"
chmod 1777 "$root/tmp" "$root/var/tmp"

# Bun reads this machine's certificates only where it is told to.
tar --create --directory="$root" --numeric-owner --owner=0 --group=0 . |
  "$@" import \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    --change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
    --change 'CMD ["/usr/local/bin/bun"]' \
    - "$tag" >&2
echo "$tag"
