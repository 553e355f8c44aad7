import { GetObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';

/** The address of a bucket's objects, and the region for which requests are signed. */
export interface BucketAddress {
  /** With its colon. */
  readonly protocol: string;
  /** An IPv6 address in brackets. */
  readonly hostname: string;
  readonly port: number | undefined;
  /** The path before a key; it ends with a slash. */
  readonly basePath: string;
  readonly region: string;
}

/** A key that no encoding changes. */
const PROBE = 'key';
/** Seconds. No request is ever sent to the presigned URL. */
const UNUSED_EXPIRY = 1;
/** Buckets whose requests are signed with a session of the bucket (S3 Express), which only the SDK manages. */
const SESSION_BUCKET = /--x-s3$/;

/**
 * The address that the SDK would use, taken from a URL of its presigner, whose host, path and signature scope are documented. So the
 * SDK alone interprets the settings, the environment, AWS's partitions, FIPS and virtual hosts.
 * @returns undefined if only the SDK can sign
 * @throws CredentialsProviderError, or whatever else keeps the SDK from signing
 */
export async function bucketAddress(client: S3Client, bucket: string): Promise<BucketAddress | undefined> {
  if (SESSION_BUCKET.test(bucket)) return undefined;
  const command = new GetObjectCommand({ Bucket: bucket, Key: PROBE });
  const { protocol, hostname, port, pathname, searchParams } = new URL(
    await getSignedUrl(client, command, { expiresIn: UNUSED_EXPIRY }),
  );
  // "<access key>/<date>/<region>/<service>/aws4_request"; another algorithm has other scopes.
  const [region, service] = searchParams.get('X-Amz-Credential')?.split('/').slice(-3) ?? [];
  const isOrdinary = searchParams.get('X-Amz-Algorithm') === 'AWS4-HMAC-SHA256' && service === 's3';
  if (!isOrdinary || region === undefined || !pathname.endsWith(`/${PROBE}`)) return undefined;
  const basePath = pathname.slice(0, -PROBE.length);
  return { protocol, hostname, port: port === '' ? undefined : Number(port), basePath, region };
}
