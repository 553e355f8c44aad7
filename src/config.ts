import { LISTENER_SETTINGS } from './config/listener-settings.ts';
import { REPLICA_SETTINGS } from './config/replica-settings.ts';
import {
  address,
  addresses,
  bytes,
  choice,
  duration,
  flag,
  hosts,
  integer,
  nameComponent,
  origins,
  printable,
  redisAddress,
  type Setting,
  secretFile,
  text,
  url,
} from './config/setting.ts';
import { CRASH_POINTS } from './storage/crash-points.ts';

/** Every environment variable that Marina reads. docs/configuration.md is generated from this table. */
export const SETTINGS = {
  port: integer('PORT', 0, 65535, { fallback: '5000', sentence: 'TCP port to listen on; 0 picks a free one.' }),
  host: text('HOST', { fallback: '0.0.0.0', sentence: 'Address to listen on.' }),
  ...LISTENER_SETTINGS,
  publicUrl: url('PUBLIC_URL', {
    fallback: '',
    sentence:
      'URL by which clients reach the registry. If set, every Location begins with it; otherwise Locations are relative.',
  }),
  publicHosts: hosts('PUBLIC_HOSTS', {
    fallback: '',
    sentence:
      "Hosts that clients use for the registry, separated by commas: registry.example,registry.example:5000. Absolute URLs use a request's Host only if it is one of them, and otherwise the first. If empty, any well-formed Host is used.",
  }),
  trustProxy: addresses('TRUST_PROXY', {
    fallback: '',
    sentence:
      'Trusted proxies: their X-Forwarded-Proto and -Host make Locations absolute, and their X-Forwarded-For names the client. A comma-separated list of addresses, blocks like 10.0.0.0/8, loopback and private.',
  }),
  ui: flag('UI', {
    fallback: 'true',
    sentence: 'Whether the page for people is served under /ui/; see docs/page.md.',
  }),
  uiReadOnly: flag('UI_READ_ONLY', {
    fallback: 'false',
    sentence:
      'Whether that page only shows, without actions such as delete and restore. Registry clients are not affected.',
  }),
  corsOrigins: origins('CORS_ORIGINS', {
    fallback: '',
    sentence:
      'Origins of web pages that may read from and write to the registry by scripts, separated by commas: https://ui.example,http://localhost:8080. Writes by all other pages are refused.',
  }),
  storageDriver: choice('STORAGE_DRIVER', ['filesystem', 's3'], {
    fallback: 'filesystem',
    aliases: ['STORAGE_TYPE'],
    sentence: 'Where blobs and log are stored.',
  }),
  storagePath: text('STORAGE_PATH', { fallback: './registry-data', sentence: 'Data folder of the filesystem driver.' }),
  s3Bucket: text('S3_BUCKET', { sentence: 'Bucket of the S3 driver. It must exist.' }),
  s3Region: text('S3_REGION', { sentence: 'Region of the bucket; the default is us-east-1 if an endpoint is set.' }),
  s3Endpoint: url('S3_ENDPOINT', { sentence: 'Endpoint of an S3-compatible service.' }),
  s3Prefix: text('S3_PREFIX', { sentence: 'Prefix of all keys within the bucket.' }),
  s3ForcePathStyle: flag('S3_FORCE_PATH_STYLE', {
    sentence: 'Address the bucket in the path instead of the host name.',
  }),
  s3CaFile: text('S3_CA_FILE', {
    sentence: "File with the certificates (PEM) that are trusted for the endpoint instead of the system's.",
  }),
  s3InsecureSkipVerify: flag('S3_INSECURE_SKIP_VERIFY', {
    sentence: 'Do not verify the certificate of the endpoint. Prefer S3_CA_FILE.',
  }),
  s3PartSize: bytes('S3_PART_SIZE', {
    fallback: '16MiB',
    sentence: 'Size of the parts in which blobs are uploaded to S3; a blob has at most 10,000 parts.',
  }),
  s3Redirect: flag('S3_REDIRECT', {
    fallback: 'false',
    sentence: 'Answer GET of a blob with a redirect to a presigned URL of the store.',
  }),
  s3RedirectEndpoint: url('S3_REDIRECT_ENDPOINT', {
    sentence: 'Endpoint by which clients reach the store, if it differs from S3_ENDPOINT.',
  }),
  awsAccessKeyId: text('AWS_ACCESS_KEY_ID', {
    sentence: "Access key of the S3 driver; without it AWS's default credential chain is used.",
  }),
  awsSecretAccessKey: text('AWS_SECRET_ACCESS_KEY', { sentence: 'Secret key of the S3 driver.' }),
  awsSessionToken: text('AWS_SESSION_TOKEN', { sentence: 'Session token of the S3 driver.' }),
  uploadBuffer: bytes('UPLOAD_BUFFER', {
    fallback: '256MiB',
    sentence: 'Memory for upload parts in flight to S3; beyond it uploads wait.',
  }),
  redisUrl: redisAddress('REDIS_URL', {
    sentence:
      'Redis of a cluster; if set, this process is one of its nodes or workers. redis://host:6379, redis+sentinel://host:26379,host:26379/master or redis+cluster://host:6379,host:6379; rediss… for TLS.',
  }),
  redisPassword: secretFile('REDIS_PASSWORD_FILE', {
    sentence: 'File with the password for REDIS_URL, which must then have none. It is read at startup.',
  }),
  redisCaFile: text('REDIS_CA_FILE', {
    sentence: "File with the certificates (PEM) that are trusted for Redis instead of the system's.",
  }),
  authTokenRealm: address('AUTH_TOKEN_REALM', {
    aliases: ['REGISTRY_AUTH_TOKEN_REALM'],
    sentence:
      'URL of a Docker token server that decides who may do what, instead of the registry; see docs/access.md. It needs AUTH_TOKEN_SERVICE, AUTH_TOKEN_ISSUER and at least one of the two files.',
  }),
  authTokenService: printable('AUTH_TOKEN_SERVICE', {
    aliases: ['REGISTRY_AUTH_TOKEN_SERVICE'],
    sentence: "The token server's name for this registry: `service` of the challenge, `aud` of its tokens.",
  }),
  authTokenIssuer: text('AUTH_TOKEN_ISSUER', {
    aliases: ['REGISTRY_AUTH_TOKEN_ISSUER'],
    sentence: 'The `iss` of its tokens.',
  }),
  authTokenJwksFile: text('AUTH_TOKEN_JWKS_FILE', {
    aliases: ['REGISTRY_AUTH_TOKEN_JWKS'],
    sentence: 'File with the public keys (JSON Web Key Set) that sign its tokens. It is read again when it changes.',
  }),
  authTokenRootCertBundle: text('AUTH_TOKEN_ROOTCERTBUNDLE', {
    aliases: ['REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE'],
    sentence:
      'File with certificates (PEM) of the keys that sign its tokens, or of the CAs that issued these. It is read again when it changes.',
  }),
  tokenKeyFile: text('TOKEN_KEY_FILE', {
    sentence:
      "PEM file with the private keys (EC P-256 or Ed25519) of the registry's own tokens: the first signs, all verify. It is read again when it changes. Without it, a single process with a data folder creates a key there; a cluster or a process with a bucket needs the file if access is controlled. `marina token-key` creates a key.",
  }),
  tokenLifetime: duration('TOKEN_LIFETIME', { fallback: '5m', sentence: 'Lifetime of a token, from 60s to 24h.' }, [
    '60s',
    '24h',
  ]),
  refreshTokenLifetime: duration(
    'REFRESH_TOKEN_LIFETIME',
    {
      fallback: '90d',
      sentence:
        'Lifetime of a refresh token, from 1h to 3650d; `docker login` stores one instead of the password. It becomes invalid earlier if the password changes.',
    },
    ['1h', '3650d'],
  ),
  manifestBuffer: bytes(
    'MANIFEST_BUFFER',
    {
      fallback: '64MiB',
      sentence:
        'Memory for manifests that are being pushed, at least 4MiB; beyond it pushes wait, and the slowest get 429.',
    },
    '4MiB',
  ),
  pastPrefix: nameComponent('PAST_PREFIX', {
    fallback: 'at',
    sentence:
      'First component of the names under which the past of the registry can be pulled: at/20261128t101500z/team/app; see docs/past.md. Nothing can be pushed under it. If the variable is set and empty, the past cannot be pulled.',
  }),
  pastMemory: bytes('PAST_MEMORY', {
    fallback: '128MiB',
    sentence: 'Memory for the states of repositories as they were; see docs/past.md. Without room they are read again.',
  }),
  uploadExpiry: duration('UPLOAD_EXPIRY', {
    fallback: '7d',
    sentence: 'Age at which an unfinished upload is removed, in use or not.',
  }),
  deleteEnabled: flag('DELETE_ENABLED', {
    fallback: 'true',
    aliases: ['REGISTRY_STORAGE_DELETE_ENABLED'],
    sentence:
      'Whether clients may delete tags, manifests and blobs; if false they get 405. Uploads can always be cancelled.',
  }),
  readOnly: flag('READ_ONLY', {
    fallback: 'false',
    sentence:
      'Whether pushes and deletes are refused with 405, and neither collection nor retention runs. `marina read-only on` does it at run time.',
  }),
  ...REPLICA_SETTINGS,
  gcEnabled: flag('GC_ENABLED', {
    fallback: 'true',
    sentence: 'Whether garbage is collected every GC_INTERVAL; `marina gc` collects in any case.',
  }),
  gcInterval: duration('GC_INTERVAL', { fallback: '1h', sentence: 'Interval between garbage collections.' }, 'timer'),
  gcGrace: duration('GC_GRACE', {
    fallback: '24h',
    sentence:
      'How long bytes are kept after their last reference is gone, and so how long a delete can be undone. It must be the same on all nodes, whose clocks may differ by a quarter of it.',
  }),
  gcRate: integer('GC_RATE', 0, 1_000_000, {
    fallback: '0',
    sentence: 'Maximum objects that a collection deletes per second; 0: unlimited.',
  }),
  retentionFile: text('RETENTION_FILE', {
    sentence:
      'YAML file with the rules for retention and immutable tags; see docs/retention.md. It must be the same on all nodes and workers.',
  }),
  retentionInterval: duration(
    'RETENTION_INTERVAL',
    { fallback: '1h', sentence: 'Interval between retention runs.' },
    'timer',
  ),
  htpasswdFile: text('HTPASSWD_FILE', {
    sentence:
      'File with the accounts, one per line, with bcrypt or argon2id hashes; see docs/access.md. It is read again when it changes, and must be the same on all nodes.',
  }),
  accessFile: text('ACCESS_FILE', {
    sentence:
      'YAML file with the rules for who may do what, groups and issuers of OIDC tokens; see docs/access.md. It is read again when it changes, and must be the same on all nodes. Without it every account may do everything.',
  }),
  webhooksFile: text('WEBHOOKS_FILE', {
    sentence:
      'YAML file with the endpoints that are notified of changes, and their secrets; see docs/webhooks.md. It is read again when it changes. In a cluster the workers need it, and nodes that show its metrics.',
  }),
  bodyIdleTimeout: duration(
    'BODY_IDLE_TIMEOUT',
    {
      fallback: '60s',
      sentence: 'A request body without a byte for this long is aborted with 408; an upload keeps what arrived.',
    },
    'timer',
  ),
  uploadMinRate: bytes('UPLOAD_MIN_RATE', {
    fallback: '1KiB',
    sentence:
      'A request body with fewer bytes per second, averaged over BODY_IDLE_TIMEOUT, is aborted with 408; an upload keeps what arrived. Time in which the registry keeps the client waiting does not count. 0: no minimum.',
  }),
  maxConnections: integer('MAX_CONNECTIONS', 1, 1_000_000, {
    fallback: '10000',
    sentence:
      'Maximum connections with a request in progress, capped at half of the files that the process may open (ulimit -n); beyond it requests get 503.',
  }),
  maxConnectionsShare: integer('MAX_CONNECTIONS_SHARE', 1, 100, {
    fallback: '25',
    sentence:
      'Percentage of MAX_CONNECTIONS for one client address (for IPv6 a /64 network); beyond it requests get 429. Behind a proxy set TRUST_PROXY, or all its clients count as one address.',
  }),
  maxRequestsPerSubject: integer('MAX_REQUESTS_PER_SUBJECT', 0, 1_000_000, {
    fallback: '0',
    sentence:
      'Maximum requests in progress on this node for one account, robot or other identity (for anonymous clients: one address); beyond it requests get 429. 0: no limit.',
  }),
  maxUploadsPerSubject: integer('MAX_UPLOADS_PER_SUBJECT', 0, 1_000_000, {
    fallback: '0',
    sentence: 'Maximum concurrent requests that send bytes of blobs, counted in the same way. 0: no limit.',
  }),
  maxUploadBytesPerSubject: bytes('MAX_UPLOAD_BYTES_PER_SUBJECT', {
    fallback: '0',
    sentence:
      'Maximum bytes of uploads in progress, counted in the same way: the announced length, or the bytes received so far. A single upload may be larger. 0: no limit.',
  }),
  drainTimeout: duration('DRAIN_TIMEOUT', {
    fallback: '25s',
    sentence: 'How long requests in flight get to finish after SIGTERM.',
  }),
  writeAhead: flag('STORAGE_WRITE_AHEAD', {
    fallback: 'true',
    sentence:
      'Whether small objects of a data folder share syncs in a write-ahead log, if the folder is on a local file system (ext4, XFS, btrfs, F2FS) and not shared; otherwise each is synced separately.',
  }),
  threads: integer('THREADS', 0, 256, {
    fallback: '0',
    sentence:
      'Number of threads that serve requests (on Linux). 0: one for each processor that the process may use (affinity and CPU limits of its control group).',
  }),
  ioThreads: integer('IO_THREADS', 1, 1024, {
    fallback: '32',
    sentence:
      'Threads for blocking disk I/O; concurrent syncs share one journal write of the file system. `npm start` and the image pass it to Bun as `UV_THREADPOOL_SIZE`.',
  }),
  viewMemory: bytes('VIEW_MEMORY', {
    fallback: '256MiB',
    sentence: 'Memory for the views of repositories; the least recently used are evicted and folded again when needed.',
  }),
  contentCache: bytes('CONTENT_CACHE', {
    fallback: '64MiB',
    sentence: 'Memory for cached manifests and small blobs.',
  }),
  blobCachePath: text('BLOB_CACHE_PATH', {
    fallback: './registry-cache',
    sentence:
      "Folder for a node's cache of blobs that are pulled repeatedly from S3. Each node needs its own; it may be deleted at any time.",
  }),
  blobCacheSize: bytes('BLOB_CACHE_SIZE', {
    fallback: '10GiB',
    sentence: 'Size of that cache; 0: no cache. A tenth of the file system is always left free.',
  }),
  nodeName: text('NODE_NAME', {
    fallback: '',
    sentence: 'Name of this process in the log; the default is the host name.',
  }),
  logLevel: choice('LOG_LEVEL', ['debug', 'info', 'warn', 'error', 'silent'], {
    fallback: 'info',
    sentence: 'Minimum level of log lines; requests are logged at info.',
  }),
  logFormat: choice('LOG_FORMAT', ['auto', 'json', 'pretty'], {
    fallback: 'auto',
    sentence: 'Format of log lines; auto is pretty on a terminal and JSON elsewhere.',
  }),
  crashPoint: text('CRASH_POINT', {
    sentence: `For tests only: kill the process at a named step, as name:count; with name:count:thread only a thread beside the main one fails there (${CRASH_POINTS.join(', ')}).`,
  }),
} as const satisfies Record<string, Setting<unknown>>;

type ValueOf<S> = S extends Setting<infer T, infer Fallback> ? (Fallback extends string ? T : T | undefined) : never;

/** The settings by name; those without a default may be undefined. */
export type Config = {
  readonly [Name in keyof typeof SETTINGS]: ValueOf<(typeof SETTINGS)[Name]>;
};

/** An invalid setting; the message is one line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** Reads the settings, and the files that hold secrets. @throws ConfigError for the first invalid value */
export function readConfig(environment: Readonly<Record<string, string | undefined>>): Config {
  const values = Object.entries(SETTINGS).map(([key, setting]) => [key, readSetting(setting, environment)]);
  return withRedisPassword(Object.fromEntries(values) as Config);
}

/** Puts the password from REDIS_PASSWORD_FILE into the address. */
function withRedisPassword(config: Config): Config {
  const { redisUrl, redisPassword } = config;
  if (redisPassword === undefined || redisUrl === undefined) return config;
  if (redisUrl.password !== undefined)
    throw new ConfigError('both REDIS_URL and REDIS_PASSWORD_FILE have a password: set only one of them');
  return { ...config, redisUrl: { ...redisUrl, password: redisPassword } };
}

function readSetting(setting: Setting<unknown>, environment: Readonly<Record<string, string | undefined>>): unknown {
  // An empty variable is treated as unset, because compose files pass unset variables as empty ones.
  const isSet = (each: string): boolean =>
    environment[each] !== undefined && (environment[each] !== '' || setting.takesEmpty === true);
  const name = [setting.name, ...setting.aliases].find(isSet);
  const written = name === undefined ? setting.fallback : environment[name];
  if (written === undefined) return undefined;
  const parsed = setting.parse(written);
  if ('value' in parsed) return parsed.value;
  // The message must be one line, even if the value has several.
  const shown = setting.secrecy === 'shown' ? `=${written.replace(/\p{Cc}+/gu, ' ')}` : '';
  throw new ConfigError(`${name ?? setting.name}${shown} cannot be used: ${parsed.expected} is expected`);
}
