import { readFileSync } from 'node:fs';
import { CATALOG } from '../paths.ts';
import {
  type NewIdentity,
  NoStore,
  newStore,
  openFormat,
  proveStore,
  readIdentity,
  type StoreIdentity,
  StoreRefused,
} from '../prepare.ts';
import { BucketArchive } from './bucket-archive.ts';
import { S3Driver } from './driver.ts';
import { failureOf, isUntrusted, NoAnswer } from './failures.ts';
import type { S3Configuration, S3Credentials, S3Ports, S3Settings } from './settings.ts';

export interface S3Store extends StoreIdentity {
  readonly driver: S3Driver;
  close(): Promise<void>;
}

/** S3's limits for every part except the last one. */
const MIN_PART = 5 * 1024 ** 2;
const MAX_PART = 5 * 1024 ** 3;

const CONDITIONAL_WRITES =
  'it lacks conditional writes (PutObject with If-None-Match: *); use a store that has them, such as AWS S3 or MinIO, or a folder (STORAGE_DRIVER=filesystem)';

/**
 * Opens the bucket, and creates a store in it first if there is none. Any number of processes may do so at once.
 * @param identify what an empty bucket becomes; by default a store with a history of its own
 * @throws StoreRefused in one line: invalid settings, no such bucket, wrong credentials, an untrusted certificate, no answer,
 * an unknown layout, a store without conditional writes
 */
export function openS3Store(
  config: S3Configuration,
  ports: S3Ports,
  identify: NewIdentity = newStore(ports.newId),
): Promise<S3Store> {
  return openWith(config, ports, async (driver) => {
    const identity = await openFormat(driver, identify);
    await proveStore(driver, ports.newId, CONDITIONAL_WRITES);
    return identity;
  });
}

/** Opens a bucket read-only: nothing is created or written. @throws StoreRefused as `openS3Store`, also if there is no store */
export function openS3ReadOnly(config: S3Configuration, ports: S3Ports): Promise<S3Store> {
  return openWith(config, ports, async (driver) => {
    const store = await readIdentity(driver);
    if (store !== undefined) return store;
    throw new NoStore(`the bucket ${config.s3Bucket ?? ''} holds no store of Marina: check S3_BUCKET and S3_PREFIX`);
  });
}

/**
 * Opens a bucket and prefix as an archive.
 * @throws StoreRefused as `openS3Store`
 */
export async function openBucketArchive(config: S3Configuration, ports: S3Ports): Promise<BucketArchive> {
  const settings = readSettings(config);
  const archive = new BucketArchive(settings, ports);
  try {
    for await (const _ of archive.list('')) break;
    return archive;
  } catch (error) {
    await archive.close();
    throw new StoreRefused(reasonOf(error, settings));
  }
}

async function openWith(
  config: S3Configuration,
  ports: S3Ports,
  identify: (driver: S3Driver) => Promise<StoreIdentity>,
): Promise<S3Store> {
  const settings = readSettings(config);
  const driver = new S3Driver(settings, ports);
  try {
    await reachBucket(driver);
    return { driver, ...(await identify(driver)), close: () => driver.close() };
  } catch (error) {
    await driver.close();
    throw error instanceof StoreRefused ? error : new StoreRefused(reasonOf(error, settings));
  }
}

/** One cheap request whose errors have a body that says what is wrong, unlike those of HEAD. */
async function reachBucket(driver: S3Driver): Promise<void> {
  for await (const _ of driver.list(CATALOG)) return;
}

export function readSettings(config: S3Configuration): S3Settings {
  const { s3Bucket: bucket, s3PartSize: partSize } = config;
  if (bucket === undefined) throw new StoreRefused('S3_BUCKET is not set: name the bucket that holds the registry');
  if (partSize < MIN_PART || partSize > MAX_PART) {
    throw new StoreRefused(`S3_PART_SIZE=${partSize} is invalid: S3 accepts parts of 5MiB to 5GiB`);
  }
  return {
    bucket,
    partSize,
    region: config.s3Region,
    endpoint: config.s3Endpoint,
    redirectEndpoint: config.s3RedirectEndpoint,
    prefix: config.s3Prefix,
    forcePathStyle: config.s3ForcePathStyle,
    ca: config.s3CaFile === undefined ? undefined : readCertificates(config.s3CaFile),
    insecureSkipVerify: config.s3InsecureSkipVerify,
    credentials: credentialsOf(config),
    uploadBuffer: config.uploadBuffer,
    threads: config.threadCount,
  };
}

function readCertificates(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new StoreRefused(`S3_CA_FILE=${path} cannot be read (${failureOf(error).code ?? String(error)})`);
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----')) {
    throw new StoreRefused(`S3_CA_FILE=${path} holds no certificate in PEM form`);
  }
  return text;
}

function credentialsOf(config: S3Configuration): S3Credentials | undefined {
  const { awsAccessKeyId: accessKeyId, awsSecretAccessKey: secretAccessKey, awsSessionToken: sessionToken } = config;
  if (accessKeyId === undefined && secretAccessKey === undefined) return undefined;
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    throw new StoreRefused('AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set together or not at all');
  }
  return { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
}

function reasonOf(error: unknown, settings: S3Settings): string {
  const { name, code, status, message } = failureOf(error instanceof NoAnswer ? error.cause : error);
  const where = settings.endpoint ?? `S3 in ${settings.region ?? 'the configured region'}`;
  const said = oneLine([name, code, message].filter((part) => part !== undefined && part !== '').join(': '));
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return `the certificate of ${where} is for another host name: correct S3_ENDPOINT or the certificate`;
  }
  if (isUntrusted(code)) {
    return `the certificate of ${where} is not trusted (${code}): set S3_CA_FILE to the certificate that signed it`;
  }
  switch (name) {
    case 'NoSuchBucket':
      return `the bucket ${settings.bucket} does not exist at ${where}: create it, or correct S3_BUCKET`;
    case 'InvalidBucketName':
      return `S3_BUCKET=${settings.bucket} is not a valid bucket name`;
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return `${where} refuses the credentials (${name}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`;
    case 'InvalidToken':
    case 'InvalidTokenId':
    case 'ExpiredToken':
      return `${where} refuses the credentials (${name}): check AWS_SESSION_TOKEN and the keys that belong to it`;
    case 'CredentialsProviderError':
      return 'there are no credentials for S3: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role';
    case 'RequestTimeTooSkewed':
      return `the clock of this machine differs too much from that of ${where}: correct it`;
    case 'AccessDenied':
      return `${where} does not let these credentials use the bucket ${settings.bucket}: allow them to list, read, write and delete`;
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return `the bucket ${settings.bucket} is in another region or at another endpoint: correct S3_REGION or S3_ENDPOINT`;
    case 'NotImplemented':
      return `${where} cannot hold a log (${said}): ${CONDITIONAL_WRITES}`;
    default:
  }
  if (status === undefined)
    return `${where} cannot be reached (${said}): check S3_ENDPOINT, and that the store is running`;
  return `${where} cannot be used (status ${status}, ${said}): check S3_ENDPOINT and S3_BUCKET`;
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 200);
}
