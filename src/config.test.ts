import { afterAll, describe, expect, test } from 'bun:test';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { cleanUp, temporaryFolder } from '../test/support/server.ts';
import { type Config, ConfigError, readConfig, SETTINGS } from './config.ts';

/** A setting that is missing here does not compile. */
const DEFAULTS: Config = {
  port: 5000,
  host: '0.0.0.0',
  tlsCertFile: undefined,
  tlsKeyFile: undefined,
  tlsClientCaFile: undefined,
  tlsRedirectPort: undefined,
  hstsMaxAge: 0,
  metricsPort: undefined,
  metricsHost: undefined,
  publicUrl: '',
  publicHosts: [],
  trustProxy: [],
  ui: true,
  uiReadOnly: false,
  corsOrigins: [],
  storageDriver: 'filesystem',
  storagePath: './registry-data',
  s3Bucket: undefined,
  s3Region: undefined,
  s3Endpoint: undefined,
  s3Prefix: undefined,
  s3ForcePathStyle: undefined,
  s3CaFile: undefined,
  s3InsecureSkipVerify: undefined,
  s3PartSize: 16 * 1024 ** 2,
  s3Redirect: false,
  s3RedirectEndpoint: undefined,
  awsAccessKeyId: undefined,
  awsSecretAccessKey: undefined,
  awsSessionToken: undefined,
  uploadBuffer: 256 * 1024 ** 2,
  manifestBuffer: 64 * 1024 ** 2,
  redisUrl: undefined,
  redisPassword: undefined,
  redisCaFile: undefined,
  authTokenRealm: undefined,
  authTokenService: undefined,
  authTokenIssuer: undefined,
  authTokenJwksFile: undefined,
  authTokenRootCertBundle: undefined,
  tokenKeyFile: undefined,
  tokenLifetime: 300_000,
  refreshTokenLifetime: 90 * 86_400_000,
  pastPrefix: 'at',
  pastMemory: 128 * 1024 * 1024,
  uploadExpiry: 7 * 86_400_000,
  deleteEnabled: true,
  readOnly: false,
  gcEnabled: true,
  gcInterval: 3_600_000,
  gcGrace: 86_400_000,
  gcRate: 0,
  replicaOf: undefined,
  replicaUsername: undefined,
  replicaPassword: undefined,
  replicaCaFile: undefined,
  replicaWrites: 'refuse',
  retentionFile: undefined,
  retentionInterval: 3_600_000,
  htpasswdFile: undefined,
  accessFile: undefined,
  webhooksFile: undefined,
  bodyIdleTimeout: 60_000,
  uploadMinRate: 1024,
  maxConnections: 10_000,
  maxConnectionsShare: 25,
  maxRequestsPerSubject: 0,
  maxUploadsPerSubject: 0,
  maxUploadBytesPerSubject: 0,
  drainTimeout: 25_000,
  writeAhead: true,
  threads: 0,
  ioThreads: 32,
  viewMemory: 256 * 1024 ** 2,
  contentCache: 64 * 1024 ** 2,
  blobCachePath: './registry-cache',
  blobCacheSize: 10 * 1024 ** 3,
  nodeName: '',
  logLevel: 'info',
  logFormat: 'auto',
  crashPoint: undefined,
};

type Name = keyof Config;

const secrets = temporaryFolder('secrets');
afterAll(cleanUp);

/** Creates a file with this content. @returns its path */
function secretIn(content: string): string {
  const path = join(secrets, String(readdirSync(secrets).length));
  writeFileSync(path, content);
  return path;
}

/** For each setting: accepted values, with the results of parsing them, and rejected values. */
const CASES: Readonly<Record<Name, { readonly good: readonly [string, unknown][]; readonly bad: readonly string[] }>> =
  {
    port: {
      good: [
        ['0', 0],
        ['65535', 65535],
        ['080', 80],
      ],
      bad: ['65536', '-1', '1.5', 'http', '5000 ', '0x50', '1e3', '9'.repeat(20)],
    },
    tlsCertFile: { good: [['/tls/cert.pem', '/tls/cert.pem']], bad: [] },
    tlsKeyFile: { good: [['/tls/key.pem', '/tls/key.pem']], bad: [] },
    tlsClientCaFile: { good: [['/tls/ca.pem', '/tls/ca.pem']], bad: [] },
    tlsRedirectPort: { good: [['80', 80]], bad: ['65536', 'http'] },
    hstsMaxAge: { good: [['365d', 365 * 86_400_000]], bad: ['1y', '-1s'] },
    metricsPort: { good: [['9090', 9090]], bad: ['65536', '-1'] },
    metricsHost: { good: [['127.0.0.1', '127.0.0.1']], bad: [] },
    redisUrl: {
      good: [
        [
          'redis://localhost',
          { kind: 'single', hosts: [{ host: 'localhost', port: 6379 }], tls: false, db: 0, master: '' },
        ],
      ],
      bad: ['redis://me:secret@', 'localhost:6379', 'http://localhost', 'redis://', 'redis+sentinel://a,b'],
    },
    blobCachePath: { good: [['/data/cache', '/data/cache']], bad: [] },
    blobCacheSize: {
      good: [
        ['0', 0],
        ['100GiB', 100 * 1024 ** 3],
      ],
      bad: ['none', '-1', '1TB'],
    },
    redisPassword: {
      good: [
        [secretIn('p@ss:w/rd %41'), 'p@ss:w/rd %41'],
        [secretIn('password\n'), 'password'],
        [secretIn('password\r\n'), 'password'],
      ],
      bad: ['/there/is/no/such/file', '/', secretIn(''), secretIn('two\nlines\n'), secretIn('x'.repeat(5_000))],
    },
    htpasswdFile: { good: [['/etc/marina/htpasswd', '/etc/marina/htpasswd']], bad: [] },
    webhooksFile: { good: [['/etc/marina/webhooks.yaml', '/etc/marina/webhooks.yaml']], bad: [] },
    accessFile: { good: [['/etc/marina/access.yaml', '/etc/marina/access.yaml']], bad: [] },
    redisCaFile: { good: [['/ca.pem', '/ca.pem']], bad: [] },
    writeAhead: { good: [['false', false]], bad: ['maybe'] },
    threads: {
      good: [
        ['0', 0],
        ['1', 1],
        ['256', 256],
      ],
      bad: ['257', '-1', '1.5', 'two', ' 2'],
    },
    ioThreads: {
      good: [
        ['1', 1],
        ['1024', 1024],
      ],
      bad: ['0', '1025', '-1', '2.5', 'many'],
    },
    host: {
      good: [
        ['127.0.0.1', '127.0.0.1'],
        ['::', '::'],
      ],
      bad: [],
    },
    trustProxy: {
      good: [
        ['10.0.0.7', [{ address: '10.0.0.7', prefix: 32, family: 'ipv4' }]],
        [
          ' 10.0.0.0/8 , fd00::/8',
          [
            { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
            { address: 'fd00::', prefix: 8, family: 'ipv6' },
          ],
        ],
        [
          'loopback',
          [
            { address: '127.0.0.0', prefix: 8, family: 'ipv4' },
            { address: '::1', prefix: 128, family: 'ipv6' },
          ],
        ],
        [
          'private',
          [
            { address: '10.0.0.0', prefix: 8, family: 'ipv4' },
            { address: '172.16.0.0', prefix: 12, family: 'ipv4' },
            { address: '192.168.0.0', prefix: 16, family: 'ipv4' },
            { address: 'fc00::', prefix: 7, family: 'ipv6' },
          ],
        ],
      ],
      bad: [
        'proxy.example',
        '10.0.0',
        '10.0.0.0/33',
        '::/129',
        '10.0.0.1,',
        '10.0.0.1 10.0.0.2',
        '10.0.0.0/',
        'true',
        'toString',
        '*',
      ],
    },
    ui: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['no', '0'],
    },
    uiReadOnly: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['no', '0'],
    },
    corsOrigins: {
      good: [
        ['https://ui.example', ['https://ui.example']],
        [' http://localhost:8080 , https://[::1]:8443 ', ['http://localhost:8080', 'https://[::1]:8443']],
      ],
      bad: [
        '*',
        'null',
        'ui.example',
        'https://ui.example/',
        'https://UI.example',
        'https://ui.example:443',
        'https://*.example',
        'https://ui.example/path',
        'https://me@ui.example',
        'https://a.example,',
        'https://a.example https://b.example',
        'ftp://ui.example',
      ],
    },
    publicUrl: {
      good: [
        ['https://r.example', 'https://r.example'],
        ['http://r.example:5000/path//', 'http://r.example:5000/path'],
      ],
      bad: [
        'r.example',
        'ftp://r.example',
        '//r.example',
        'https://',
        'https://r.example?a=b',
        'https://r.example#a',
        'https://a:secret@r.example',
      ],
    },
    publicHosts: {
      good: [
        ['r.example', ['r.example']],
        ['R.example, r.example:5000,10.0.0.7:80', ['r.example', 'r.example:5000', '10.0.0.7:80']],
        ['[::1]:5000', ['[::1]:5000']],
      ],
      bad: ['https://r.example', 'r.example/path', 'me@r.example', 'a.example,', 'a b', 'a:b', 'r.example:99999', '*'],
    },
    storageDriver: {
      good: [
        ['filesystem', 'filesystem'],
        ['s3', 's3'],
      ],
      bad: ['S3', 'memory', 'fs'],
    },
    storagePath: {
      good: [
        ['/data', '/data'],
        ['a b', 'a b'],
      ],
      bad: [],
    },
    s3Bucket: { good: [['bucket', 'bucket']], bad: [] },
    s3Region: { good: [['eu-1', 'eu-1']], bad: [] },
    s3Endpoint: { good: [['http://minio:9000/', 'http://minio:9000']], bad: ['minio:9000', 'minio'] },
    s3Prefix: { good: [['a/b', 'a/b']], bad: [] },
    s3ForcePathStyle: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['yes', '1', 'TRUE'],
    },
    s3InsecureSkipVerify: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['no', '0'],
    },
    s3CaFile: { good: [['/ca.pem', '/ca.pem']], bad: [] },
    s3PartSize: { good: [['8MiB', 8 * 1024 ** 2]], bad: ['8M', 'big'] },
    s3Redirect: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['yes', '1'],
    },
    s3RedirectEndpoint: { good: [['https://s3.example:9000', 'https://s3.example:9000']], bad: ['s3.example'] },
    awsAccessKeyId: { good: [['key', 'key']], bad: [] },
    awsSecretAccessKey: { good: [['secret', 'secret']], bad: [] },
    awsSessionToken: { good: [['token', 'token']], bad: [] },
    uploadBuffer: { good: [['1GiB', 1024 ** 3]], bad: ['1G'] },
    manifestBuffer: { good: [['4MiB', 4 * 1024 ** 2]], bad: ['1G', '4095KiB', '0'] },
    authTokenRealm: {
      good: [
        ['https://auth.example/token/', 'https://auth.example/token/'],
        ['https://auth.example/jwt/auth?tenant=a', 'https://auth.example/jwt/auth?tenant=a'],
        ['http://127.0.0.1:5001/auth', 'http://127.0.0.1:5001/auth'],
      ],
      bad: [
        'auth.example',
        'ftp://auth.example',
        '/token',
        'https://me:secret@auth.example/',
        'https://a/#b',
        'https://a b/',
      ],
    },
    authTokenService: { good: [['Docker registry', 'Docker registry']], bad: ['a\nb', 'größe', 'x'.repeat(256)] },
    replicaOf: {
      good: [
        ['https://registry.example', 'https://registry.example'],
        ['http://localhost:5000/', 'http://localhost:5000'],
      ],
      bad: ['registry.example', 'https://me:secret@registry.example', 'https://registry.example?x=1'],
    },
    replicaUsername: { good: [['robot+replica', 'robot+replica']], bad: ['two\nlines'] },
    replicaPassword: { good: [[secretIn('secret\n'), 'secret']], bad: [join(secrets, 'none'), secretIn('')] },
    replicaCaFile: { good: [['/tls/ca.pem', '/tls/ca.pem']], bad: [] },
    replicaWrites: {
      good: [
        ['refuse', 'refuse'],
        ['redirect', 'redirect'],
      ],
      bad: ['accept'],
    },
    authTokenIssuer: { good: [['harbor-token-issuer', 'harbor-token-issuer']], bad: [] },
    authTokenJwksFile: { good: [['/run/secrets/jwks.json', '/run/secrets/jwks.json']], bad: [] },
    authTokenRootCertBundle: { good: [['/certs/root.crt', '/certs/root.crt']], bad: [] },
    tokenKeyFile: { good: [['/run/secrets/token-key.pem', '/run/secrets/token-key.pem']], bad: [] },
    tokenLifetime: {
      good: [
        ['60s', 60_000],
        ['24h', 86_400_000],
      ],
      bad: ['59s', '25h', '0s', '5'],
    },
    refreshTokenLifetime: {
      good: [
        ['1h', 3_600_000],
        ['3650d', 3_650 * 86_400_000],
      ],
      bad: ['59m', '3651d', 'never'],
    },
    pastPrefix: {
      good: [
        ['', ''],
        ['the-past', 'the-past'],
        ['a__b.c', 'a__b.c'],
      ],
      bad: ['at/', 'a/b', 'At', '_at', 'at_', '.', ' '],
    },
    pastMemory: {
      good: [
        ['0', 0],
        ['1GiB', 1024 ** 3],
      ],
      bad: ['-1', 'much'],
    },
    uploadExpiry: {
      good: [
        ['500ms', 500],
        ['30s', 30_000],
        ['10m', 600_000],
        ['24h', 86_400_000],
        ['30d', 2_592_000_000],
      ],
      bad: ['7', '-1d', '1w', '1.5h', '1 d', 'd', '1H'],
    },
    deleteEnabled: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['no', '0'],
    },
    readOnly: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['off'],
    },
    gcEnabled: {
      good: [
        ['true', true],
        ['false', false],
      ],
      bad: ['off'],
    },
    gcInterval: {
      good: [
        ['1s', 1_000],
        ['1d', 86_400_000],
      ],
      bad: ['0s', '60', 'hourly'],
    },
    retentionFile: { good: [['/etc/retention.yaml', '/etc/retention.yaml']], bad: [] },
    retentionInterval: { good: [['1d', 86_400_000]], bad: ['0s', '60', '25d'] },
    gcRate: {
      good: [
        ['0', 0],
        ['500', 500],
      ],
      bad: ['-1', '1.5', 'fast'],
    },
    gcGrace: {
      good: [
        ['0s', 0],
        ['1h', 3_600_000],
      ],
      bad: ['24', 'never'],
    },
    bodyIdleTimeout: {
      good: [
        ['1ms', 1],
        ['24d', 24 * 86_400_000],
      ],
      bad: ['0s', '25d', '60'],
    },
    uploadMinRate: {
      good: [
        ['0', 0],
        ['4KiB', 4096],
      ],
      bad: ['-1', '1KB', '1KiB/s', 'slow'],
    },
    maxConnections: { good: [['512', 512]], bad: ['0', '-1', 'many', '1000001'] },
    maxConnectionsShare: { good: [['100', 100]], bad: ['0', '101', '25%', '0.5'] },
    maxRequestsPerSubject: {
      good: [
        ['0', 0],
        ['200', 200],
      ],
      bad: ['-1', 'many', '1000001'],
    },
    maxUploadsPerSubject: { good: [['10', 10]], bad: ['-1', '1.5'] },
    maxUploadBytesPerSubject: {
      good: [
        ['10GiB', 10 * 1024 ** 3],
        ['1TiB', 1024 ** 4],
      ],
      bad: ['10 GB', '-1'],
    },
    drainTimeout: {
      good: [
        ['0s', 0],
        ['1m', 60_000],
      ],
      bad: ['25', ''.padEnd(12, '9')],
    },
    viewMemory: {
      good: [
        ['0', 0],
        ['4096', 4096],
        ['1B', 1],
        ['2KiB', 2048],
        ['1GiB', 1024 ** 3],
      ],
      bad: ['1KB', '1G', '-1', '1.5GiB', '1 MiB', 'MiB'],
    },
    contentCache: { good: [['512KiB', 524_288]], bad: ['lots', '64M'] },
    nodeName: { good: [['node-1', 'node-1']], bad: [] },
    logLevel: {
      good: [
        ['debug', 'debug'],
        ['silent', 'silent'],
      ],
      bad: ['INFO', 'trace', 'off'],
    },
    logFormat: {
      good: [
        ['json', 'json'],
        ['pretty', 'pretty'],
      ],
      bad: ['text'],
    },
    crashPoint: { good: [['create.before-write:2', 'create.before-write:2']], bad: [] },
  };
const NAMES = Object.keys(CASES) as Name[];

function problemOf(environment: Record<string, string>): string {
  try {
    readConfig(environment);
    return 'none';
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('settings', () => {
  test('have their defaults in an empty environment, and if a variable is empty', () => {
    expect(readConfig({})).toEqual(DEFAULTS);
    const empty = Object.values(SETTINGS).flatMap(({ name, aliases }) => [name, ...aliases].map((each) => [each, '']));
    // An empty prefix turns the past off.
    expect(readConfig(Object.fromEntries(empty))).toEqual({ ...DEFAULTS, pastPrefix: '' });
  });

  test.each(NAMES)('%s takes what it should, and changes nothing else', (key) => {
    const { name } = SETTINGS[key];
    for (const [written, value] of CASES[key].good) {
      expect<unknown>(readConfig({ [name]: written })).toEqual({ ...DEFAULTS, [key]: value });
    }
  });

  test.each(NAMES)('%s refuses anything else in one clear line', (key) => {
    const { name } = SETTINGS[key];
    for (const written of CASES[key].bad) {
      const problem = problemOf({ [name]: written });
      const shown = SETTINGS[key].secrecy === 'shown' ? `${name}=${written}` : name;
      expect(problem).toStartWith(`${shown} cannot be used: `);
      expect(problem).toEndWith(' is expected');
    }
  });

  test('of a Redis password: the file completes the address, and two passwords are refused without being shown', () => {
    const REDIS_PASSWORD_FILE = secretIn('from the file\n');
    const { redisUrl } = readConfig({ REDIS_URL: 'rediss+cluster://me@a,b', REDIS_PASSWORD_FILE });
    expect(redisUrl).toMatchObject({ kind: 'cluster', tls: true, username: 'me', password: 'from the file' });
    const both = problemOf({ REDIS_URL: 'redis://:from-the-url@a', REDIS_PASSWORD_FILE });
    expect(both).toBe('both REDIS_URL and REDIS_PASSWORD_FILE have a password: set only one of them');
    expect(problemOf({ REDIS_URL: 'redis://a', REDIS_PASSWORD_FILE: '/nowhere' })).toBe(
      'REDIS_PASSWORD_FILE cannot be used: a readable file with one line of at most 4096 bytes is expected',
    );
  });

  test('that could hold a secret are refused with the same message for any value', () => {
    const capable = NAMES.filter((key) => SETTINGS[key].secrecy === 'never shown');
    // Text, paths and URLs with credentials could hold a secret. The kind of a setting decides, not a list of names.
    expect(capable).toEqual(
      expect.arrayContaining([
        'redisUrl',
        'redisPassword',
        's3Endpoint',
        's3RedirectEndpoint',
        'publicUrl',
        'awsSecretAccessKey',
      ]),
    );
    const secret = fc.string({ minLength: 1, unit: 'binary' });
    const hosts = fc.constantFrom('', 'minio:9000', 'a b', '[::', 'host:99999/x/y');
    const schemes = fc.constantFrom('', 'redis', 'rediss+cluster', 'http', 'https', 'HTTP', 'ftp');
    const urls = fc
      .tuple(schemes, secret, secret, hosts)
      .map(([scheme, user, password, host]) => `${scheme}://${user}:${password}@${host}`);
    const queries = fc.tuple(hosts, secret).map(([host, key]) => `https://${host}/?X-Amz-Signature=${key}`);
    fc.assert(
      fc.property(fc.constantFrom(...capable), fc.oneof(secret, urls, queries), (key, written) => {
        const { name } = SETTINGS[key];
        const problem = problemOf({ [name]: written });
        if (problem === 'none') return;
        const other = CASES[key].bad[0] ?? written;
        expect(problem).toBe(problemOf({ [name]: other }));
      }),
      { numRuns: 500 },
    );
  });

  test('can be set by their aliases; the main name takes precedence', () => {
    expect(readConfig({ STORAGE_TYPE: 's3' }).storageDriver).toBe('s3');
    expect(readConfig({ STORAGE_DRIVER: 'filesystem', STORAGE_TYPE: 's3' }).storageDriver).toBe('filesystem');
    expect(readConfig({ STORAGE_DRIVER: '', STORAGE_TYPE: 's3' }).storageDriver).toBe('s3');
    expect(problemOf({ STORAGE_TYPE: 'tape' })).toStartWith('STORAGE_TYPE=tape cannot be used: ');
  });

  test('have unique names, a type, a sentence, and a valid default', () => {
    const names = Object.values(SETTINGS).flatMap(({ name, aliases }) => [name, ...aliases]);
    expect(new Set(names).size).toBe(names.length);
    for (const { name, type, sentence } of Object.values(SETTINGS)) {
      expect(name).toMatch(/^[A-Z][A-Z0-9_]*$/);
      expect(type).not.toBe('');
      expect(sentence).toMatch(/^[A-Z].*\.$/s);
    }
  });

  test('parse any text to a value or an error of one line', () => {
    fc.assert(
      fc.property(fc.constantFrom(...NAMES), fc.string({ unit: 'binary' }), (key, written) => {
        expect(problemOf({ [SETTINGS[key].name]: written })).not.toMatch(/\n|\r/);
      }),
    );
    expect(problemOf({ PORT: '50\n00' })).toBe('PORT=50 00 cannot be used: a number from 0 to 65535 is expected');
  });

  test('of other programs are ignored', () => {
    expect(readConfig({ PATH: '/bin', port: '1', Port: '1', '': 'x' })).toEqual(DEFAULTS);
  });
});
