import {
  addresses,
  bytes,
  choice,
  duration,
  flag,
  integer,
  origins,
  redisAddress,
  type Setting,
  secretFile,
  text,
  url,
} from './config/setting.ts';
import { CRASH_POINTS } from './storage/crash-points.ts';

/** Every environment variable that Marina reads. docs/configuration.md is printed from this table. */
export const SETTINGS = {
  port: integer('PORT', 0, 65535, { fallback: '5000', sentence: 'TCP port to listen on; 0 takes a free one.' }),
  host: text('HOST', { fallback: '0.0.0.0', sentence: 'Address to listen on.' }),
  publicUrl: url('PUBLIC_URL', {
    fallback: '',
    sentence: 'Where clients reach the registry; set, it begins every Location, which is relative otherwise.',
  }),
  trustProxy: addresses('TRUST_PROXY', {
    fallback: '',
    sentence:
      'Proxies whose X-Forwarded-Proto and -Host make Locations absolute and whose X-Forwarded-For names the client: addresses and blocks like 10.0.0.0/8, loopback, private, with commas.',
  }),
  corsOrigins: origins('CORS_ORIGINS', {
    fallback: '',
    sentence:
      'Origins of web pages that may read from and write to the registry by scripts, with commas: https://ui.example,http://localhost:8080. Writes of all other pages are refused.',
  }),
  storageDriver: choice('STORAGE_DRIVER', ['filesystem', 's3'], {
    fallback: 'filesystem',
    aliases: ['STORAGE_TYPE'],
    sentence: 'What holds blobs and log.',
  }),
  storagePath: text('STORAGE_PATH', { fallback: './registry-data', sentence: 'Data folder of the filesystem driver.' }),
  s3Bucket: text('S3_BUCKET', { sentence: 'Bucket of the S3 driver. It must exist.' }),
  s3Region: text('S3_REGION', { sentence: 'Region of the bucket; us-east-1 when an endpoint is set.' }),
  s3Endpoint: url('S3_ENDPOINT', { sentence: 'Endpoint of an S3-compatible service.' }),
  s3Prefix: text('S3_PREFIX', { sentence: 'Prefix of all keys within the bucket.' }),
  s3ForcePathStyle: flag('S3_FORCE_PATH_STYLE', {
    sentence: 'Address the bucket in the path instead of the host name.',
  }),
  s3CaFile: text('S3_CA_FILE', {
    sentence: "File with the certificates (PEM) to be trusted for the endpoint, instead of the system's.",
  }),
  s3InsecureSkipVerify: flag('S3_INSECURE_SKIP_VERIFY', {
    sentence: 'Do not verify the certificate of the endpoint. S3_CA_FILE is the better way.',
  }),
  s3PartSize: bytes('S3_PART_SIZE', {
    fallback: '16MiB',
    sentence: 'Length of the parts in which blobs go to S3; a blob has at most 10,000 of them.',
  }),
  s3Redirect: flag('S3_REDIRECT', {
    fallback: 'false',
    sentence: 'Answer GET of a blob with a redirect to a presigned address of the store.',
  }),
  s3RedirectEndpoint: url('S3_REDIRECT_ENDPOINT', {
    sentence: 'Endpoint by which clients reach the store, when it is another one than S3_ENDPOINT.',
  }),
  awsAccessKeyId: text('AWS_ACCESS_KEY_ID', {
    sentence: "Access key of the S3 driver; without it AWS's default chain is asked.",
  }),
  awsSecretAccessKey: text('AWS_SECRET_ACCESS_KEY', { sentence: 'Secret key of the S3 driver.' }),
  awsSessionToken: text('AWS_SESSION_TOKEN', { sentence: 'Session token of the S3 driver.' }),
  uploadBuffer: bytes('UPLOAD_BUFFER', {
    fallback: '256MiB',
    sentence: 'Memory for parts of uploads on their way to S3; over it, uploads wait.',
  }),
  redisUrl: redisAddress('REDIS_URL', {
    sentence:
      'Redis of a cluster: set, this process is one of its nodes or workers. redis://host:6379, redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379; rediss… for TLS.',
  }),
  redisPassword: secretFile('REDIS_PASSWORD_FILE', {
    sentence: 'File that holds the password for REDIS_URL, which then has none. It is read at the start.',
  }),
  redisCaFile: text('REDIS_CA_FILE', {
    sentence: "File with the certificates (PEM) to be trusted for Redis, instead of the system's.",
  }),
  manifestBuffer: bytes(
    'MANIFEST_BUFFER',
    {
      fallback: '64MiB',
      sentence:
        'Memory for manifests that are being pushed, at least 4MiB; over it, pushes wait, and the slowest are told to try again (429).',
    },
    '4MiB',
  ),
  uploadExpiry: duration('UPLOAD_EXPIRY', {
    fallback: '7d',
    sentence: 'Age at which an unfinished upload is removed, in use or not.',
  }),
  deleteEnabled: flag('DELETE_ENABLED', {
    fallback: 'true',
    aliases: ['REGISTRY_STORAGE_DELETE_ENABLED'],
    sentence:
      'Whether clients may delete tags, manifests and blobs; false answers 405. Uploads can be cancelled always.',
  }),
  readOnly: flag('READ_ONLY', {
    fallback: 'false',
    sentence:
      'Whether nothing can be pushed or deleted: writes are answered 405, and neither collection nor retention runs. `marina read-only on` does it at run time.',
  }),
  gcEnabled: flag('GC_ENABLED', {
    fallback: 'true',
    sentence: 'Whether garbage is collected by the clock; `marina gc` collects in any case.',
  }),
  gcInterval: duration('GC_INTERVAL', { fallback: '1h', sentence: 'How often garbage is looked for.' }, 'timer'),
  gcGrace: duration('GC_GRACE', {
    fallback: '24h',
    sentence:
      'How long bytes stay after nothing refers to them any more: so long a delete can be undone. The same on all nodes, whose clocks may differ by a quarter of it.',
  }),
  gcRate: integer('GC_RATE', 0, 1_000_000, {
    fallback: '0',
    sentence: 'Most objects that a collection deletes in a second; 0: as many as the store takes.',
  }),
  retentionFile: text('RETENTION_FILE', {
    sentence:
      'File (YAML) that says which tags and untagged manifests are kept and which tags are immutable; see docs/retention.md. The same on all nodes and workers.',
  }),
  retentionInterval: duration(
    'RETENTION_INTERVAL',
    { fallback: '1h', sentence: 'How often it is looked for what RETENTION_FILE no longer keeps.' },
    'timer',
  ),
  bodyIdleTimeout: duration(
    'BODY_IDLE_TIMEOUT',
    {
      fallback: '60s',
      sentence: 'A request body that brings no byte for so long is given up with 408; what came is kept.',
    },
    'timer',
  ),
  uploadMinRate: bytes('UPLOAD_MIN_RATE', {
    fallback: '1KiB',
    sentence:
      'A request body that brings fewer bytes a second, on average over BODY_IDLE_TIMEOUT, is given up with 408; what came is kept. Time in which the registry keeps the client waiting does not count. 0: any rate will do.',
  }),
  maxConnections: integer('MAX_CONNECTIONS', 1, 1_000_000, {
    fallback: '10000',
    sentence:
      'Most connections on which a request is in progress at the same time, at most half of the files that the process may open (ulimit -n); beyond it 503.',
  }),
  maxConnectionsShare: integer('MAX_CONNECTIONS_SHARE', 1, 100, {
    fallback: '25',
    sentence:
      'Percentage of these that one client address (an IPv6 network of 64 bits) may have; beyond it 429. Behind a proxy, name that in TRUST_PROXY: all its clients are one address otherwise.',
  }),
  drainTimeout: duration('DRAIN_TIMEOUT', {
    fallback: '25s',
    sentence: 'How long requests in flight may take to end after SIGTERM.',
  }),
  writeAhead: flag('STORAGE_WRITE_AHEAD', {
    fallback: 'true',
    sentence:
      'Small objects of a data folder become durable together, in a write-ahead log, where the folder is on a file system of this machine (ext4, XFS, btrfs, F2FS) and not shared; off, each is synced by itself.',
  }),
  ioThreads: integer('IO_THREADS', 1, 1024, {
    fallback: '32',
    sentence: 'Threads that wait for the disk; what is synced at the same moment shares one write of its journal.',
  }),
  sendThreads: integer('SEND_THREADS', 0, 64, {
    fallback: '4',
    sentence:
      'Threads at most that send big blobs out of files (on Linux), beside the one that serves; 0 leaves that to this one. They are started when they are needed.',
  }),
  viewMemory: bytes('VIEW_MEMORY', {
    fallback: '256MiB',
    sentence:
      'Memory for the views of repositories; the least recently used are folded again from the log when needed.',
  }),
  contentCache: bytes('CONTENT_CACHE', {
    fallback: '64MiB',
    sentence: 'Memory for the bytes of manifests and small blobs.',
  }),
  blobCachePath: text('BLOB_CACHE_PATH', {
    fallback: './registry-cache',
    sentence:
      "Folder for a node's own copies of blobs that are pulled again and again, where they are stored in S3. Each node needs one of its own; it may be deleted at any time.",
  }),
  blobCacheSize: bytes('BLOB_CACHE_SIZE', {
    fallback: '10GiB',
    sentence: 'Disk space for those copies; 0: none are kept. A tenth of the file system is left free in any case.',
  }),
  nodeName: text('NODE_NAME', { fallback: '', sentence: 'Name of this process in the log; the host name when empty.' }),
  logLevel: choice('LOG_LEVEL', ['debug', 'info', 'warn', 'error', 'silent'], {
    fallback: 'info',
    sentence: 'Least important log lines that are written; requests are info.',
  }),
  logFormat: choice('LOG_FORMAT', ['auto', 'json', 'pretty'], {
    fallback: 'auto',
    sentence: 'How log lines look; auto is pretty on a terminal and JSON elsewhere.',
  }),
  crashPoint: text('CRASH_POINT', {
    sentence: `For tests only: kill the process at a named step, as name:count (${CRASH_POINTS.join(', ')}).`,
  }),
} as const satisfies Record<string, Setting<unknown>>;

type ValueOf<S> = S extends Setting<infer T, infer Fallback> ? (Fallback extends string ? T : T | undefined) : never;

/** The settings by name; those without a default may be undefined. */
export type Config = {
  readonly [Name in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[Name]>;
};

/** A value in the environment that cannot be used, said in one line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the files that hold secrets, too. @throws ConfigError for the first value that is wrong */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const values = Object.entries(SETTINGS).map(([key, setting]) => [key, readSetting(setting, environment)]);
  return withRedisPassword(Object.fromEntries(values) as Config);
}

/** From here on nobody need know where the password came from. */
function withRedisPassword(config: Config): Config {
  const { redisUrl, redisPassword } = config;
  if (redisPassword === undefined || redisUrl === undefined) return config;
  if (redisUrl.password !== undefined)
    throw new ConfigError('REDIS_URL has a password, and so has REDIS_PASSWORD_FILE: set one of them only');
  return { ...config, redisUrl: { ...redisUrl, password: redisPassword } };
}

function readSetting(setting: Setting<unknown>, environment: Readonly<Record<string, string | undefined>>): unknown {
  // An empty variable is the same as none: compose files set those for what is left out.
  const name = [setting.name, ...setting.aliases].find((each) => (environment[each] ?? '') !== '');
  const written = name === undefined ? setting.fallback : environment[name];
  if (written === undefined) return undefined;
  const parsed = setting.parse(written);
  if ('value' in parsed) return parsed.value;
  // A value of several lines must not make several lines of the message.
  const shown = setting.secrecy === 'shown' ? `=${written.replace(/\p{Cc}+/gu, ' ')}` : '';
  throw new ConfigError(`${name ?? setting.name}${shown} cannot be used: ${parsed.expected} is expected`);
}
