#!/bin/sh
# usage: deploy/make-secrets.sh [folder]
# Makes random passwords for compose.yaml, once before its first start: one file each in secrets/, and .env, which names that
# folder. Both are readable by their owner only. Existing secrets are never changed.
# The default folder is that of compose.yaml; with another one: docker compose --env-file <folder>/.env up
set -eu
umask 077

if [ $# -gt 0 ]; then
  mkdir -p "$1"
  folder=$(cd "$1" && pwd)
  secrets=$folder/secrets
else
  folder=$(cd "$(dirname "$0")/.." && pwd)
  # Relative to compose.yaml, so that the clone can be moved.
  secrets=./secrets
fi
if [ -e "$folder/secrets" ]; then
  echo "$folder/secrets exists already: remove it, and the volumes of compose.yaml, to start over" >&2
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
# The same password in two formats: for the server, and for the nodes.
printf 'requirepass %s\n' "$redis" >redis.conf
printf '%s\n' "$redis" >redis-password
# The root user of the store: only for creating the bucket and the key below.
printf 'MINIO_ROOT_USER=marina-root\nMINIO_ROOT_PASSWORD=%s\n' "$root" >store-root
# The nodes' key, which reaches only their bucket.
printf '[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n' "$key" "$secret" >s3-credentials
# Containers read them with other user ids. On the host the folder keeps others out.
chmod 644 redis.conf redis-password store-root s3-credentials

touch "$folder/.env"
chmod 600 "$folder/.env"
# The last line of a file that a person wrote may have no end.
[ -z "$(tail -c 1 "$folder/.env")" ] || echo >>"$folder/.env"
printf 'MARINA_SECRETS=%s\n' "$secrets" >>"$folder/.env"
echo "made $folder/secrets and $folder/.env" >&2
