import { expect, test } from 'bun:test';
import { ConnectionTable } from './connection-table.ts';
import type { PresentedCertificate } from './presented-certificate.ts';

const CERTIFICATE: PresentedCertificate = { commonName: 'deployer', expiresAt: 1000, problem: undefined };

/** The other end of a connection, as the HTTP server sees it. */
const at = (port: number) => ({ address: '127.0.0.1', port });

const end = (port: number) => ({ port, isConnected: true });

const client = (address: string, certificate?: PresentedCertificate) => ({
  address,
  certificate,
  sendInstead: () => undefined,
});

test('a connection is known from its opening until its end', () => {
  const table = new ConnectionTable();
  const own = end(40_000);
  expect(table.of(at(40_000))).toBeUndefined();
  table.add(own, client('192.0.2.1'));
  expect(table.of(at(40_000))).toMatchObject({ address: '192.0.2.1', certificate: undefined });
  expect(table.size).toBe(1);
  table.remove(own);
  expect([table.of(at(40_000)), table.size]).toEqual([undefined, 0]);
});

test('the same port at another address is not the same connection', () => {
  const table = new ConnectionTable();
  table.add(end(1), client('192.0.2.1', CERTIFICATE));
  for (const address of ['127.0.0.2', '::1', '::ffff:127.0.0.1', '192.0.2.1', ''])
    expect(table.of({ address, port: 1 })).toBeUndefined();
});

test('a connection that the kernel has ended is not known, although its end has not been noticed yet', () => {
  const table = new ConnectionTable();
  const own = { port: 1, isConnected: true };
  table.add(own, client('192.0.2.1', CERTIFICATE));
  own.isConnected = false;
  expect(table.of(at(1))).toBeUndefined();
});

test('the late end of a connection does not remove another one that has got its port', () => {
  const table = new ConnectionTable();
  const [earlier, later] = [end(1), end(1)];
  table.add(earlier, client('192.0.2.1'));
  table.add(later, client('192.0.2.2'));
  table.remove(earlier);
  expect(table.of(at(1))?.address).toBe('192.0.2.2');
});

test('a certificate proves an identity only until it expires, also on an open connection', () => {
  let now = 999;
  const table = new ConnectionTable(() => now);
  table.add(end(1), client('192.0.2.1', CERTIFICATE));
  const identity = { kind: 'certificate', commonName: 'deployer' };
  const first = table.of(at(1))?.certificate;
  expect(first).toMatchObject({ kind: 'known', authority: { kind: 'identity', identity } });
  // The gate remembers callers by this object.
  expect(table.of(at(1))?.certificate).toBe(first);
  now = 1001;
  expect(table.of(at(1))?.certificate).toEqual({
    kind: 'refused',
    reason: 'the client certificate is not accepted: CERT_HAS_EXPIRED',
  });
});

test('a certificate that is not trusted, or has no common name, proves nothing', () => {
  const table = new ConnectionTable(() => 0);
  table.add(end(1), client('192.0.2.1', { ...CERTIFICATE, problem: 'SELF_SIGNED_CERT_IN_CHAIN' }));
  table.add(end(2), client('192.0.2.1', { ...CERTIFICATE, commonName: undefined }));
  expect([1, 2].map((port) => table.of(at(port))?.certificate?.kind)).toEqual(['refused', 'refused']);
});
