import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { parseAddressRanges } from '../config/address-range.ts';
import { Proxies } from './forwarded.ts';

const PROXY = '10.0.0.5';
const proxies = new Proxies(parseAddressRanges('10.0.0.0/8, fd00::/8, loopback') ?? []);

function originOf(headers: Record<string, string>, peer: string | undefined = PROXY): string {
  return proxies.origin(peer, new Headers(headers));
}

function clientOf(forwardedFor: string, peer: string | undefined = PROXY): string | undefined {
  return proxies.client(peer, new Headers({ 'X-Forwarded-For': forwardedFor }));
}

const SAID = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'r.example' };

describe('trusted peers', () => {
  test.each(['10.0.0.5', '10.255.255.255', '::ffff:10.0.0.5', 'fd00::1', '127.0.0.1', '127.9.9.9', '::1'])(
    '%s is a proxy',
    (peer) => expect([originOf(SAID, peer), clientOf('192.0.2.1', peer)]).toEqual(['https://r.example', '192.0.2.1']),
  );

  test.each(['11.0.0.5', '9.255.255.255', '::ffff:11.0.0.5', 'fe80::1', '::2', '128.0.0.1', undefined])(
    '%s is none',
    (peer) => {
      expect(proxies.origin(peer, new Headers(SAID))).toBe('');
      expect(proxies.client(peer, new Headers({ 'X-Forwarded-For': '192.0.2.1' }))).toBe(peer);
    },
  );

  test('are none if no proxies are configured', () => {
    const none = new Proxies([]);
    for (const peer of ['127.0.0.1', '::1', '10.0.0.5']) {
      expect(none.origin(peer, new Headers(SAID))).toBe('');
      expect(none.client(peer, new Headers({ 'X-Forwarded-For': '192.0.2.1' }))).toBe(peer);
    }
  });
});

describe('the origin', () => {
  test.each([
    [SAID, 'https://r.example'],
    [{ 'X-Forwarded-Proto': 'HTTPS', Host: 'r.example:8443' }, 'https://r.example:8443'],
    [{ 'X-Forwarded-Host': 'r.example:5000', Host: 'inner' }, 'http://r.example:5000'],
    [{ 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': '[2001:db8::1]:443' }, 'https://[2001:db8::1]:443'],
    [{ Host: 'r.example' }, ''],
    [{ Forwarded: 'host=evil.example;proto=https', Host: 'r.example' }, ''],
  ])('of %j is %s', (headers, origin) => expect(originOf(headers)).toBe(origin));

  test.each([
    'r.example, other.example',
    'r.example/path',
    'r.example?a',
    'r.example#a',
    'user@r.example',
    'r.example:99999',
    'r.example:port',
    'r example',
    '<script>',
    '[::1',
    '[zz]',
    '-',
    '.',
    '',
    'ü.example',
    `${'a'.repeat(300)}.example`,
  ])('is not taken from the host %j', (host) => {
    expect(originOf({ 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': host, Host: 'r.example' })).toBe('');
  });

  test.each(['ftp', 'javascript', 'https, http', 'https://', ''])('is ignored with the scheme %j', (proto) => {
    expect(originOf({ 'X-Forwarded-Proto': proto, 'X-Forwarded-Host': 'r.example' })).toBe('');
  });

  test('is empty or a valid origin for any header', () => {
    const value = fc.string({ unit: fc.integer({ min: 0x20, max: 0x7e }).map((code) => String.fromCharCode(code)) });
    fc.assert(
      fc.property(fc.oneof(value, fc.constantFrom('http', 'https')), value, (proto, host) => {
        const origin = originOf({ 'X-Forwarded-Proto': proto, 'X-Forwarded-Host': host });
        expect(origin).toMatch(/^(?:https?:\/\/[\w.:[\]-]+)?$/);
        if (origin !== '') expect(new URL(`${origin}/v2/`).pathname).toBe('/v2/');
      }),
    );
  });
});

describe('the client', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    ['192.0.2.1:4711', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['[2001:db8::1]:4711', '2001:db8::1'],
    // Entries before the last untrusted one may be forged by the client.
    ['203.0.113.9, 192.0.2.1', '192.0.2.1'],
    ['203.0.113.9, 192.0.2.1, 10.0.0.9, 10.0.0.8', '192.0.2.1'],
    ['10.0.0.9, 10.0.0.8', '10.0.0.9'],
    ['192.0.2.1, rubbish, 10.0.0.8', '10.0.0.8'],
    ['rubbish', PROXY],
    ['', PROXY],
    [', , ,', PROXY],
  ])('of %j is %s', (header, client) => expect(clientOf(header)).toBe(client));

  test('does not hide behind the address of the proxy, however many entries it makes up', () => {
    expect(clientOf(`${'203.0.113.9,'.repeat(1_000)}192.0.2.1`)).toBe('192.0.2.1');
  });
});
