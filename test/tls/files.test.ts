// The files of the certificate: wrong ones stop the start, changed ones are used without an interruption.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { attempt, run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { digestOf, randomBlob } from '../support/oci.ts';
import { cleanUp, projectRoot, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { Authority, type Certificate, CertificateFiles } from './authority.ts';
import { nameShownBy } from './connection.ts';
import { Tap } from './tap.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

let authority: Authority;
let openssl: string;
let one: Certificate;
let two: Certificate;

beforeAll(async () => {
  [openssl] = await tools('openssl');
  authority = await Authority.open();
  [one, two] = await Promise.all([
    authority.issue({ subject: '/CN=one' }),
    authority.issue({ subject: '/CN=two', days: 60 }),
  ]);
}, TOOLS_WITHIN_MS);

async function metric(server: Server, name: string): Promise<number> {
  const response = await fetch(`${server.url}/metrics`, { tls: { ca: authority.pem } });
  const line = (await response.text()).split('\n').find((each) => each.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1));
}

describe('a changed certificate', () => {
  test('is used for new connections, while a pull over an old one continues', async () => {
    const files = new CertificateFiles(one);
    const server = await startServer(files.env);
    const blob = randomBlob(24 * 1024 * 1024);
    const ca = { tls: { ca: authority.pem } };
    const begun = await fetch(`${server.url}/v2/a/blobs/uploads/`, { ...ca, method: 'POST' });
    const target = new URL(begun.headers.get('location') ?? '', server.url);
    target.searchParams.set('digest', blob.descriptor.digest);
    expect((await fetch(target, { ...ca, method: 'PUT', body: blob.bytes })).status).toBe(201);

    // It would take minutes.
    const tap = await Tap.open(server.port, 128 * 1024);
    const pull = await fetch(`https://127.0.0.1:${tap.port}/v2/a/blobs/${blob.descriptor.digest}`, ca);
    expect(await nameShownBy(server.port, authority.pem)).toBe('one');
    files.write(two);
    await eventually(async () => expect(await nameShownBy(server.port, authority.pem)).toBe('two'));
    const isPulling = tap.recorded.length < blob.bytes.length;
    tap.hurry();
    expect(digestOf(await pull.bytes())).toBe(blob.descriptor.digest);
    expect(isPulling).toBe(true);
    await tap.close();
    const inSixtyDays = Date.now() / 1000 + 60 * 86_400;
    // Threads read the files again within a second of each other.
    await eventually(async () => {
      const expiry = await metric(server, 'marina_tls_certificate_expiry_timestamp_seconds');
      expect(Math.abs(expiry - inSixtyDays)).toBeLessThan(3600);
    });
  });

  test('that cannot be used leaves the old one in use, and log and metrics say so', async () => {
    const files = new CertificateFiles(one);
    const server = await startServer(files.env);
    // As while a tool has written one of the two.
    writeFileSync(files.cert, two.cert);
    const isCurrent = () => metric(server, 'marina_config_file_current{file="TLS_CERT_FILE"}');
    await eventually(async () => expect(await isCurrent()).toBe(0));
    expect(await nameShownBy(server.port, authority.pem)).toBe('one');
    await eventually(() => expect(server.logs()).toContain('does not belong to the first certificate'));
    writeFileSync(files.key, two.key);
    await eventually(async () => expect(await nameShownBy(server.port, authority.pem)).toBe('two'));
    await eventually(async () => expect(await isCurrent()).toBe(1));
  });
});

/** Starts a server that must not start. @returns the line on stderr */
async function refusalOf(env: Readonly<Record<string, string>>): Promise<string> {
  const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
  const folder = temporaryFolder('refused');
  const { code, stderr } = await attempt([bun, 'src/main.ts'], {
    env: { PORT: '0', HOST: '127.0.0.1', STORAGE_PATH: join(folder, 'data'), ...env },
  });
  expect({ code, lines: stderr.trim().split('\n').length }).toEqual({ code: 1, lines: 1 });
  return stderr;
}

describe('the start is refused, with one line that shows no content of the files,', () => {
  test('if only one of the two is set, or something that needs them', async () => {
    const { cert, key } = new CertificateFiles(one);
    expect(await refusalOf({ TLS_CERT_FILE: cert })).toContain('set TLS_KEY_FILE');
    expect(await refusalOf({ TLS_KEY_FILE: key })).toContain('set TLS_CERT_FILE');
    for (const env of [{ TLS_CLIENT_CA_FILE: cert }, { TLS_REDIRECT_PORT: '0' }, { HSTS_MAX_AGE: '1d' }]) {
      expect(await refusalOf(env)).toContain(`${Object.keys(env)[0]} cannot be used: it needs TLS_CERT_FILE`);
    }
  });

  test('if the key is that of another certificate', async () => {
    const files = new CertificateFiles({ cert: one.cert, key: two.key });
    const line = await refusalOf(files.env);
    expect(line).toContain(`TLS_CERT_FILE=${files.cert}`);
    expect(line).toContain('does not belong to the first certificate');
  });

  test('if a file is missing, empty, malformed or encrypted', async () => {
    const path = join(temporaryFolder('key'), 'encrypted.pem');
    await run([
      openssl,
      'pkcs8',
      '-topk8',
      '-passout',
      'pass:secret',
      '-in',
      new CertificateFiles(one).key,
      '-out',
      path,
    ]);
    const encrypted = await Bun.file(path).text();
    const cut = one.cert.slice(0, 200);
    for (const [certificate, reason] of [
      [{ ...one, cert: '' }, 'TLS_CERT_FILE has no certificate in PEM'],
      [{ ...one, cert: one.key }, 'TLS_CERT_FILE has no certificate in PEM'],
      [{ ...one, cert: `${cut}\n-----END CERTIFICATE-----\n` }, 'certificate 1 in TLS_CERT_FILE is malformed'],
      [
        { ...one, cert: `${one.cert}${cut}\n-----END CERTIFICATE-----\n` },
        'certificate 2 in TLS_CERT_FILE is malformed',
      ],
      [{ ...one, key: '' }, 'TLS_KEY_FILE has no readable private key in PEM'],
      [{ ...one, key: one.cert }, 'TLS_KEY_FILE has no readable private key in PEM'],
      [{ ...one, key: encrypted }, 'is encrypted with a passphrase'],
    ] as const) {
      const line = await refusalOf(new CertificateFiles(certificate).env);
      expect(line).toContain(reason);
      expect(line).not.toContain('BEGIN EC');
      expect(line).not.toContain('BEGIN PRIVATE');
      expect(line).not.toContain(one.key.split('\n')[1] ?? 'no key');
    }
    const { env } = new CertificateFiles(one);
    // What names no file may be the key itself, so it is not shown.
    const missing = await refusalOf({ ...env, TLS_KEY_FILE: '/nowhere/key.pem' });
    expect(missing).toContain('TLS_KEY_FILE cannot be used: there is no such file');
    expect(missing).not.toContain('nowhere');
    const garbage = new CertificateFiles({ cert: 'no certificate', key: '' }).cert;
    expect(await refusalOf({ ...env, TLS_CLIENT_CA_FILE: garbage })).toContain('TLS_CLIENT_CA_FILE has no certificate');
  });

  test('if the port is in use', async () => {
    const { env } = new CertificateFiles(one);
    const server = await startServer(env);
    const line = await refusalOf({ ...env, PORT: String(server.port) });
    expect(line).toContain(`port ${server.port} is already in use`);
    const metricsLine = await refusalOf({ METRICS_PORT: String(server.port) });
    expect(metricsLine).toContain('set METRICS_PORT');
  });
});

test('an expired certificate is served, and one line of the log says so', async () => {
  const expired = await authority.issue({ subject: '/CN=expired', days: -1 });
  const server = await startServer(new CertificateFiles(expired).env);
  await eventually(() => expect(server.logs().match(/clients will refuse the TLS certificate/g)).toHaveLength(1));
  expect(server.logs()).toContain('it expired at');
  const response = await fetch(`${server.url}/v2/`, { tls: { rejectUnauthorized: false } });
  expect(response.status).toBe(200);
});
