// Client certificates: a valid one gives an identity, and an invalid one is refused with a reason.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { basic, passwordOf, writeAccessFiles } from '../access/world.ts';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { image, mediaTypes } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { connectedTo, LOOPBACK, listeningOn } from '../support/sockets.ts';
import { fromAllThreads } from '../threads/connections.ts';
import { Authority, type Certificate, CertificateFiles, type CertificateOptions } from './authority.ts';
import { Connection } from './connection.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

const RULES = `
rules:
  - { who: 'cert:deployer', repositories: ['ours/**'], actions: [pull, push] }
  - { who: 'cert:*', repositories: ['shared/**'], actions: [pull] }
  - { who: 'reader', repositories: ['ours/**'], actions: [pull] }
  - { who: anonymous, repositories: ['public/**'], actions: [pull] }
`;

/** For clients. */
const CLIENT = ['extendedKeyUsage=clientAuth'];

let serverCa: Authority;
let clientCa: Authority;
let server: Server;
let clientCaFile: string;

beforeAll(async () => {
  await tools('openssl', 'curl');
  [serverCa, clientCa] = await Promise.all([Authority.open('servers'), Authority.open('clients')]);
  clientCaFile = join(temporaryFolder('client-ca'), 'ca.pem');
  writeFileSync(clientCaFile, clientCa.pem);
  const files = new CertificateFiles(await serverCa.issue());
  server = await startServer({
    ...writeAccessFiles(RULES).env,
    ...files.env,
    PUBLIC_HOSTS: '',
    TLS_CLIENT_CA_FILE: clientCaFile,
  });
}, TOOLS_WITHIN_MS);

function forClient(options: CertificateOptions, by = clientCa): Promise<Certificate> {
  return by.issue({ extensions: CLIENT, ...options });
}

async function get(path: string, certificate?: Certificate, init: BunFetchRequestInit = {}): Promise<Response> {
  const tls = { ca: serverCa.pem, ...certificate };
  return await fetch(server.url + path, { ...init, tls, keepalive: false });
}

const MANIFEST = '/v2/ours/app/manifests/v1';

test('a client with a verified certificate is cert:<CN>, with the rights of the rules', async () => {
  const deployer = await forClient({ subject: '/O=example/CN=deployer' });
  expect((await get('/v2/', deployer)).status).toBe(200);
  const { bytes, blobs } = image();
  for (const blob of blobs) {
    const { headers } = await get('/v2/ours/app/blobs/uploads/', deployer, { method: 'POST' });
    const target = new URL(headers.get('location') ?? '', server.url);
    target.searchParams.set('digest', blob.descriptor.digest);
    const { pathname, search } = target;
    expect((await get(pathname + search, deployer, { method: 'PUT', body: blob.bytes })).status).toBe(201);
  }
  const headers = { 'content-type': mediaTypes.manifest };
  expect((await get(MANIFEST, deployer, { method: 'PUT', body: bytes, headers })).status).toBe(201);
  expect((await get(MANIFEST, deployer)).status).toBe(200);
  expect((await get(MANIFEST, deployer, { method: 'DELETE' })).status).toBe(403);
  expect((await get('/v2/elsewhere/tags/list', deployer)).status).toBe(404);
  await eventually(() => expect(server.logs()).toContain('"actor":"cert:deployer"'));

  const other = await forClient({ subject: '/CN=other' });
  expect((await get(MANIFEST, other)).status).toBe(404);
  expect((await get('/v2/shared/app/tags/list', other)).status).toBe(404);
});

test('a client without a certificate is anonymous, and one with a password is that account', async () => {
  const challenged = await get('/v2/');
  expect(challenged.status).toBe(401);
  expect(challenged.headers.get('www-authenticate')).toStartWith(`Bearer realm="${server.url}/token"`);
  expect((await get('/v2/public/app/tags/list')).status).toBe(404);
  const deployer = await forClient({ subject: '/CN=deployer' });
  const headers = { authorization: basic('reader') };
  expect((await get('/v2/', deployer, { headers })).status).toBe(200);
  const write = await get('/v2/ours/app/blobs/uploads/', deployer, { method: 'POST', headers });
  expect([write.status, passwordOf('reader').length > 0]).toEqual([403, true]);
});

test('a client gets a token with its certificate', async () => {
  const deployer = await forClient({ subject: '/CN=deployer' });
  const answer = await get('/token?service=x&scope=repository:ours/app:pull,push', deployer);
  const [, token] = /"token":"([^"]+)"/.exec(await answer.text()) ?? [];
  const headers = { authorization: `Bearer ${token}` };
  expect((await get('/v2/ours/app/blobs/uploads/', undefined, { method: 'POST', headers })).status).toBe(202);
});

describe('a certificate is refused with 401', () => {
  const wrong: readonly [string, () => Promise<Certificate>, string][] = [
    ['of another CA', async () => forClient({ subject: '/CN=deployer' }, serverCa), 'SELF_SIGNED_CERT_IN_CHAIN'],
    ['that has expired', async () => forClient({ subject: '/CN=deployer', days: -1 }), 'CERT_HAS_EXPIRED'],
    [
      'for servers',
      async () => forClient({ subject: '/CN=deployer', extensions: ['extendedKeyUsage=serverAuth'] }),
      'INVALID_PURPOSE',
    ],
    ['without a common name', async () => forClient({ subject: '/O=deployer' }), 'exactly one common name'],
    ['with two common names', async () => forClient({ subject: '/CN=deployer/CN=admin' }), 'exactly one common name'],
  ];
  test.each(wrong)('%s', async (_, make, reason) => {
    const certificate = await make();
    for (const path of ['/v2/', MANIFEST, '/v2/public/app/tags/list', '/v2/nothing/tags/list', '/token']) {
      const response = await get(path, certificate);
      expect([path, response.status]).toEqual([path, 401]);
      expect(await response.text()).toContain('client certificate');
    }
    const headers = { authorization: basic('reader') };
    expect((await get('/v2/', certificate, { headers })).status).toBe(200);
    await eventually(() => expect(server.logs()).toContain(reason));
  });
});

test('a common name with unusual characters stays one name', async () => {
  const strange = await forClient({ subject: '/CN=a,CN=deployer\\/CN=deployer\\+CN é' });
  expect((await get(MANIFEST, strange)).status).toBe(404);
  await eventually(() => expect(server.logs()).toMatch(/"actor":"cert:a,CN=deployer\/CN=deployer\+CN%20%C3%A9"/));
});

test.each(['-tls1_2', '-tls1_3'])(
  'no session is resumed (%s): each connection shows its certificate again',
  async (version) => {
    const [openssl] = await tools('openssl', 'curl');
    const certificate = new CertificateFiles(await forClient({ subject: '/CN=deployer' }));
    const session = join(temporaryFolder('session'), 'session.pem');
    const handshake = async (...more: readonly string[]): Promise<string> => {
      const shown = ['-cert', certificate.cert, '-key', certificate.key];
      const input = 'GET /v2/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
      const command = [openssl, 's_client', '-connect', server.host, version, '-ign_eof', ...shown, ...more];
      return await run(command, { input });
    };
    expect(await handshake('-sess_out', session)).toContain('HTTP/1.1 200');
    // With TLS 1.3 there is nothing that a client could resume.
    if (version === '-tls1_3') expect(existsSync(session)).toBe(false);
    const again = existsSync(session) ? ['-sess_in', session] : [];
    expect(await handshake(...again)).toMatch(/^New, [\s\S]*HTTP\/1\.1 200/m);
  },
);

test('a process of this machine cannot impersonate a client by the port of its connection', async () => {
  const deployer = await forClient({ subject: '/CN=deployer' });
  const client = connect({ host: '127.0.0.1', port: server.port, ca: serverCa.pem, ...deployer });
  const answered = new Promise((resolve) => client.once('data', (bytes) => resolve(String(bytes).slice(0, 12))));
  client.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n');
  expect(await answered).toBe('HTTP/1.1 200');
  // Each thread has an HTTP server of its own.
  const servers = listeningOn(LOOPBACK, server.process.pid).filter((port) => port !== server.port);
  const clients = servers.flatMap((inner) => connectedTo(LOOPBACK, inner).map((port) => ({ inner, port })));
  expect(clients.length).toBeGreaterThan(0);
  // The port is in use only at 127.0.0.1, so any process can use it at another loopback address.
  for (const { inner, port } of clients) {
    const command = ['curl', '-sS', '--interface', '127.0.0.2', '--local-port', String(port)];
    expect(await run([...command, `http://127.0.0.1:${inner}/v2/`])).toContain('use its https port');
  }
  client.destroy();
});

test('another CA is used once its file changes, while open connections keep their identity', async () => {
  const other = await Authority.open('others');
  const [old, certificate] = await Promise.all([
    forClient({ subject: '/CN=deployer' }),
    forClient({ subject: '/CN=deployer' }, other),
  ]);
  const status = async (connection: Connection) => {
    connection.request(['/v2/elsewhere/tags/list']);
    return (await connection.response()).status;
  };
  const open = await Connection.open(server.port, serverCa.pem, old);
  // It is known: it may not know whether a repository is there that it may not pull.
  expect(await status(open)).toBe(404);
  expect((await get('/v2/', certificate)).status).toBe(401);
  writeFileSync(clientCaFile, `${clientCa.pem}${other.pem}`);
  await eventually(async () => expect((await get('/v2/', certificate)).status).toBe(200));
  writeFileSync(clientCaFile, other.pem);
  // Each thread of the server reads the file by itself.
  const both = () =>
    fromAllThreads(async () => [(await get('/v2/', old)).status, (await get('/v2/', certificate)).status].join());
  await eventually(async () => expect([...(await both())]).toEqual(['401,200']));
  expect(await status(open)).toBe(404);
  open.close();
  writeFileSync(clientCaFile, `${clientCa.pem}${other.pem}`);
  await eventually(async () => expect((await get('/v2/', old)).status).toBe(200));
});
