#!/usr/bin/env bash
# usage: scripts/container/stand-in-services.sh [engine...]
# Makes substitutes for the images of compose.yaml (HAProxy, Redis, MinIO) without access to a registry, from Debian's programs
# and the MinIO of the tests, and prints the variables with which compose.yaml uses them:
#   env $(scripts/container/stand-in-services.sh) docker compose up
# The default engine is docker; name another with its global options. Marina's own base: stand-in-base.sh (BUN_IMAGE).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/container/stand-in.sh
source scripts/container/stand-in.sh

[[ $# -gt 0 ]] || set -- docker
mapfile -t paths < <(scripts/tools/ensure.sh haproxy redis-server minio mc)
[[ ${#paths[@]} == 4 ]] || stand_in_fail 'HAProxy, Redis, MinIO and its client are not available'
haproxy=${paths[0]} redis=${paths[1]} minio=${paths[2]} mc=${paths[3]}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# make <variable> <name> <entrypoint> <command> <program>...
make() {
  local variable=$1 tag=localhost/marina-$2:standin entrypoint=$3 command=$4
  shift 4
  # The official images have a shell, and compose.yaml uses it.
  stand_in_root "$work/$variable" "$@" "$(type -P sh)"
  mv "$work/$variable/usr/local/bin/sh" "$work/$variable/usr/bin/"
  stand_in_import "$work/$variable" "$tag" "${engine[@]}" -- "ENTRYPOINT $entrypoint" "CMD $command"
  rm -rf "${work:?}/$variable"
  echo "$variable=$tag"
}

engine=("$@")
make HAPROXY_IMAGE haproxy '["haproxy", "-W", "-db"]' '["-f", "/usr/local/etc/haproxy/haproxy.cfg"]' "$haproxy"
make REDIS_IMAGE redis '[]' '["redis-server"]' "$redis" "$(dirname "$redis")/redis-cli"
make MINIO_IMAGE minio '["minio"]' '[]' "$minio" "$mc" "$(type -P cat)" "$(type -P sleep)"
