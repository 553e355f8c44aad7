#!/bin/sh
# usage: deploy/make-secrets.sh [folder]
# Makes the passwords of compose.yaml, random ones, before its first start: secrets/ with one file each, and .env, which tells
# compose where they are. Both are for their owner only, and nothing that is there already is changed.
# The folder is that of compose.yaml unless named; then: docker compose --env-file <folder>/.env up
set -eu
umask 077

if [ $# -gt 0 ]; then
  mkdir -p "$1"
  folder=$(cd "$1" && pwd)
  secrets=$folder/secrets
else
  folder=$(cd "$(dirname "$0")/.." && pwd)
  # As compose reads it: below the folder of compose.yaml, wherever that is moved.
  secrets=./secrets
fi
if [ -e "$folder/secrets" ]; then
  echo "$folder/secrets is there already: remove it, and the volumes of compose.yaml, to begin anew" >&2
  exit 1
fi

random() {
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}
redis=$(random)
root=$(random)
key=marina-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
secret=$(random)
if [ ${#redis} -ne 48 ] || [ ${#root} -ne 48 ] || [ ${#secret} -ne 48 ]; then
  echo 'no random bytes could be read from /dev/urandom' >&2
  exit 1
fi

mkdir "$folder/secrets"
cd "$folder/secrets"
# The password of Redis twice: as its server reads it, and as the nodes do.
printf 'requirepass %s\n' "$redis" >redis.conf
printf '%s\n' "$redis" >redis-password
# Who may do anything with the store: only for making the bucket and the key below.
printf 'MINIO_ROOT_USER=marina-root\nMINIO_ROOT_PASSWORD=%s\n' "$root" >store-root
# What the nodes work with: it reaches their bucket alone.
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" >s3-credentials
# Containers read them under other user ids. On this machine nobody else gets into the folder.
chmod 644 redis.conf redis-password store-root s3-credentials

touch "$folder/.env"
chmod 600 "$folder/.env"
printf 'MARINA_SECRETS=%s\n' "$secrets" >>"$folder/.env"
echo "made $folder/secrets and $folder/.env" >&2
