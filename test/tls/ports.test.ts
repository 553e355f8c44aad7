// The ports beside PORT: redirects from plain HTTP, and metrics.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { connect } from 'node:net';
import { basic, writeAccessFiles } from '../access/world.ts';
import { attempt, TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { inFlightAt, untilInFlight } from '../support/in-flight.ts';
import { cleanUp, freePort, type Server, startServer } from '../support/server.ts';
import { Authority, CertificateFiles } from './authority.ts';
import { bytesOf } from './tap.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

let authority: Authority;

beforeAll(async () => {
  authority = await Authority.open();
}, TOOLS_WITHIN_MS);

/** A free port is set for each of the settings. */
async function serverWith(
  env: Readonly<Record<string, string>>,
  ...ports: readonly string[]
): Promise<Server & { at: Record<string, string> }> {
  const chosen = Object.fromEntries(ports.map((name) => [name, String(freePort())]));
  const server = await startServer({ ...env, ...chosen });
  const at = Object.fromEntries(Object.entries(chosen).map(([name, port]) => [name, `http://127.0.0.1:${port}`]));
  return Object.assign(server, { at });
}

async function tlsFiles(): Promise<Readonly<Record<string, string>>> {
  return new CertificateFiles(await authority.issue()).env;
}

describe('the redirect port', () => {
  let server: Server & { at: Record<string, string> };
  const redirect = (path: string, init: RequestInit = {}) =>
    fetch(server.at.TLS_REDIRECT_PORT + path, { ...init, redirect: 'manual' });

  beforeAll(async () => {
    server = await serverWith(await tlsFiles(), 'TLS_REDIRECT_PORT');
  });

  test('redirects every request to the same target on the TLS port', async () => {
    for (const [method, path] of [
      ['GET', '/v2/a/manifests/v1?x=1'],
      ['PUT', '/v2/a/manifests/v1'],
      ['POST', '/token'],
      ['GET', '/healthz'],
      ['GET', '/metrics'],
      ['GET', '/'],
    ] as const) {
      const response = await redirect(path, { method });
      expect([response.status, response.headers.get('location')]).toEqual([308, server.url + path]);
      expect(response.headers.get('strict-transport-security')).toBeNull();
    }
    const followed = await fetch(`${server.at.TLS_REDIRECT_PORT}/v2/`, { tls: { ca: authority.pem } });
    expect([followed.url, followed.status]).toEqual([`${server.url}/v2/`, 200]);
  });

  test('redirects no client to a malformed host', async () => {
    for (const host of ['evil.example/path', 'a b', '']) {
      const answer = await raw(server, `GET /v2/ HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(answer).toStartWith('HTTP/1.1 400');
      expect(answer.toLowerCase()).not.toContain('location');
    }
  });

  test('redirects clients only to a host of PUBLIC_HOSTS', async () => {
    server = await serverWith(
      { ...(await tlsFiles()), PUBLIC_HOSTS: 'registry.example,mirror.example:8443' },
      'TLS_REDIRECT_PORT',
    );
    for (const [host, target] of [
      ['registry.example:8080', 'https://registry.example/v2/'],
      ['mirror.example', 'https://mirror.example:8443/v2/'],
      ['evil.example', 'https://registry.example/v2/'],
    ] as const) {
      const response = await redirect('/v2/', { headers: { host } });
      expect(response.headers.get('location')).toBe(target);
    }
    const twoHosts = 'GET /v2/ HTTP/1.1\r\nHost: registry.example\r\nHost: evil.example\r\nConnection: close\r\n\r\n';
    expect(await raw(server, twoHosts)).toStartWith('HTTP/1.1 400');
  });

  async function raw({ at }: typeof server, request: string): Promise<string> {
    const chunks: Buffer[] = [];
    const closed = Promise.withResolvers<void>();
    const socket = connect(Number(new URL(at.TLS_REDIRECT_PORT ?? '').port), '127.0.0.1', () => socket.write(request));
    socket.on('data', (bytes) => chunks.push(bytesOf(bytes)));
    socket.on('close', () => closed.resolve());
    await closed.promise;
    return Buffer.concat(chunks).toString('latin1');
  }
});

test('the health check of the image works with TLS', async () => {
  const files = await tlsFiles();
  const server = await startServer(files);
  const check = (port: number) =>
    attempt([process.execPath, 'scripts/container/health.ts'], { env: { ...files, PORT: String(port) } });
  expect((await check(server.port)).code).toBe(0);
  expect((await check(freePort())).code).not.toBe(0);
});

describe('the metrics port', () => {
  test('serves metrics, health and readiness without TLS and without accounts, and nothing else', async () => {
    const env = { ...(await tlsFiles()), ...writeAccessFiles().env };
    const { at, url } = await serverWith(env, 'METRICS_PORT');
    const base = at.METRICS_PORT ?? '';
    const metrics = await fetch(`${base}/metrics`);
    expect(metrics.status).toBe(200);
    expect(await metrics.text()).toContain('marina_tls_certificate_expiry_timestamp_seconds');
    for (const path of ['/healthz', '/readyz']) expect((await fetch(base + path)).status).toBe(200);
    for (const path of ['/', '/v2/', '/token', '/v2/_catalog']) expect((await fetch(base + path)).status).toBe(404);
    expect((await fetch(`${base}/metrics`, { method: 'POST', body: 'x' })).status).toBe(405);

    // On PORT a rule decides.
    const tls = { ca: authority.pem };
    expect((await fetch(`${url}/metrics`, { tls })).status).toBe(401);
    const as = (account: string) => fetch(`${url}/metrics`, { tls, headers: { authorization: basic(account) } });
    expect([(await as('reader')).status, (await as('admin')).status]).toEqual([403, 200]);
    for (const path of ['/healthz', '/readyz']) expect((await fetch(url + path, { tls })).status).toBe(200);
  });

  test('works beside plain HTTP, where everyone may also read the metrics on PORT', async () => {
    const { at, url } = await serverWith({ METRICS_HOST: '127.0.0.1' }, 'METRICS_PORT');
    for (const base of [at.METRICS_PORT ?? '', url]) {
      const text = await (await fetch(`${base}/metrics`)).text();
      expect(text).toContain('marina_requests_in_flight');
      expect(text).not.toContain('marina_tls_');
    }
  });

  test('reports that the node is not ready while it drains', async () => {
    const server = await serverWith({}, 'METRICS_PORT');
    // An upload that does not end keeps the node draining.
    const begun = await fetch(`${server.url}/v2/a/blobs/uploads/`, { method: 'POST' });
    const location = new URL(begun.headers.get('location') ?? '', server.url);
    const socket = connect(server.port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write(`PATCH ${location.pathname}${location.search} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc`);
    await untilInFlight(1, () => inFlightAt(server.url));
    const stopped = server.stop();
    await eventually(async () => {
      const response = await fetch(`${server.at.METRICS_PORT}/readyz`);
      expect([response.status, await response.text()]).toEqual([503, 'not ready: the registry is shutting down\n']);
    });
    socket.destroy();
    expect(await stopped).toBe(0);
  });
});
