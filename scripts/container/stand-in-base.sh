#!/usr/bin/env bash
# usage: scripts/container/stand-in-base.sh [engine...]
# Makes localhost/marina-base:standin, a substitute for the official Bun image without access to a registry, and prints its
# name: podman build --build-arg BASE="$(scripts/container/stand-in-base.sh)" -t marina .
# The default engine is podman; name another with its global options: stand-in-base.sh podman --root=/somewhere
#
# It has the parts of the official one that Marina's image needs: a C library, a shell, coreutils, CA certificates, bun in
# /usr/local/bin and a user bun (1000). The files are copied from this machine at each call (about a second), including its CA
# certificates: a build trusts what this machine trusts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

tag=localhost/marina-base:standin
bun=node_modules/bun/bin/bun.exe
commands=(bash sh cat chmod chown cp date echo env false getent head id ls mkdir mv rm rmdir sleep stat tail test touch
  true tr uname wc)
certificates=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}

# shellcheck source=scripts/container/stand-in.sh
source scripts/container/stand-in.sh

[[ $# -gt 0 ]] || set -- podman
[[ $(uname -s) == Linux ]] || stand_in_fail 'it needs files of a Linux machine'
[[ -x $bun ]] || stand_in_fail 'bun is not installed; run node scripts/setup.mjs first'
[[ -r $certificates ]] || stand_in_fail "there are no CA certificates in $certificates; set SSL_CERT_FILE"
programs=()
for command in "${commands[@]}"; do
  programs+=("$(type -P "$command")") || stand_in_fail "$command is not on this machine"
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
stand_in_root "$root" "${programs[@]}" "$bun"
mkdir -p "$root"/{etc/ssl/certs,home/bun}
# The official image has them here.
for command in "${commands[@]}"; do mv "$root/usr/local/bin/$command" "$root/usr/bin/"; done
mv "$root/usr/local/bin/${bun##*/}" "$root/usr/local/bin/bun"
ln -s bun "$root/usr/local/bin/bunx"
cp -L "$certificates" "$root/etc/ssl/certs/ca-certificates.crt"

# Bun reads the system's certificates only with this setting.
stand_in_import "$root" "$tag" "$@" -- \
  'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt' \
  'CMD ["/usr/local/bin/bun"]'
echo "$tag"
