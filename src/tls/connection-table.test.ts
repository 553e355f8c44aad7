import { expect, test } from 'bun:test';
import { ConnectionTable } from './connection-table.ts';
import type { PresentedCertificate } from './protocol.ts';

const [ONE, OTHER] = [Symbol('one'), Symbol('other')];
const CERTIFICATE: PresentedCertificate = { commonName: 'deployer', expiresAt: 1000, problem: undefined };

/** The thread's end of a connection. */
const at = (port: number) => ({ address: '127.0.0.1', port });

test('a connection is known from its announcement until the thread removes it', () => {
  const table = new ConnectionTable();
  expect(table.of(at(40_000))).toBeUndefined();
  table.add(40_000, ONE, '192.0.2.1', undefined);
  expect(table.of(at(40_000))).toMatchObject({ address: '192.0.2.1', certificate: undefined });
  expect([table.threadOf(40_000), table.size]).toEqual([ONE, 1]);
  table.remove(40_000);
  expect([table.of(at(40_000)), table.threadOf(40_000), table.size]).toEqual([undefined, undefined, 0]);
});

test('the same port at another address is not a connection of a thread', () => {
  const table = new ConnectionTable();
  table.add(1, ONE, '192.0.2.1', CERTIFICATE);
  for (const address of ['127.0.0.2', '::1', '::ffff:127.0.0.1', '192.0.2.1', ''])
    expect(table.of({ address, port: 1 })).toBeUndefined();
});

test('the connections of a thread that has ended are forgotten, those of others are not', () => {
  const table = new ConnectionTable();
  table.add(1, ONE, '192.0.2.1', undefined);
  table.add(2, OTHER, '192.0.2.2', undefined);
  table.add(3, ONE, '192.0.2.3', undefined);
  table.removeAll(ONE);
  expect([1, 2, 3].map((port) => table.of(at(port))?.address)).toEqual([undefined, '192.0.2.2', undefined]);
});

test('a certificate proves an identity only until it expires, also on an open connection', () => {
  let now = 999;
  const table = new ConnectionTable(() => now);
  table.add(1, ONE, '192.0.2.1', CERTIFICATE);
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
  table.add(1, ONE, '192.0.2.1', { ...CERTIFICATE, problem: 'SELF_SIGNED_CERT_IN_CHAIN' });
  table.add(2, ONE, '192.0.2.1', { ...CERTIFICATE, commonName: undefined });
  expect([1, 2].map((port) => table.of(at(port))?.certificate?.kind)).toEqual(['refused', 'refused']);
});
