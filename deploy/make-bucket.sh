#!/bin/sh
# Prepares MinIO for compose.yaml, with the client in MinIO's image: waits until it answers, creates the bucket, and a user
# whose key reaches only that bucket. It can run again.
# Reads S3_BUCKET, and store-root and s3-credentials in /run/secrets (deploy/make-secrets.sh). The image has no sed.
set -eu

tries=60
policy=marina-$S3_BUCKET
key=
secret=
while IFS='= ' read -r name value; do
  case $name in
    aws_access_key_id) key=$value ;;
    aws_secret_access_key) secret=$value ;;
  esac
done </run/secrets/s3-credentials
. /run/secrets/store-root
# In the environment, so that no password is in a process's arguments.
export MC_HOST_store="http://$MINIO_ROOT_USER:$MINIO_ROOT_PASSWORD@store:9000"

until failure=$(mc mb --ignore-existing "store/$S3_BUCKET" 2>&1); do
  tries=$((tries - 1))
  if [ $tries -eq 0 ]; then
    echo "the bucket $S3_BUCKET cannot be created: $failure" >&2
    exit 1
  fi
  sleep 1
done

cat >/tmp/policy.json <<POLICY
{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Effect": "Allow",
      "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"],
      "Resource": ["arn:aws:s3:::$S3_BUCKET"]
    },
    {
      "Effect": "Allow",
      "Action": [
        "s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"
      ],
      "Resource": ["arn:aws:s3:::$S3_BUCKET/*"]
    }
  ]
}
POLICY
mc admin policy create store "$policy" /tmp/policy.json
printf '%s\n%s\n' "$key" "$secret" | mc admin user add store
case $(mc admin user info store "$key") in
  *"$policy"*) ;;
  *) mc admin policy attach store "$policy" --user "$key" ;;
esac
