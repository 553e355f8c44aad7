import { describe, expect, test } from 'bun:test';
import { parseAddressRanges } from '../config/address-range.ts';
import { Proxies } from './forwarded.ts';
import { PublicAddress } from './public-address.ts';

const PROXY = '10.0.0.5';
const STRANGER = '192.0.2.1';
const proxies = new Proxies(parseAddressRanges('10.0.0.0/8') ?? []);
const FORWARDED = { host: 'inner:5000', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'r.example' };

function address({
  url = '',
  hosts = [] as readonly string[],
  scheme = 'http' as 'http' | 'https',
} = {}): PublicAddress {
  return new PublicAddress({ url, hosts, proxies, scheme });
}

function request(headers: Readonly<Record<string, string>>) {
  return { headers: new Headers(headers) };
}

describe('an absolute URL', () => {
  test('begins with PUBLIC_URL, regardless of the request', () => {
    const of = address({ url: 'https://r.example/registry', hosts: ['other.example'] });
    expect(of.absolute(PROXY, request(FORWARDED))).toBe('https://r.example/registry');
  });

  test('follows a trusted proxy', () => {
    expect(address().absolute(PROXY, request(FORWARDED))).toBe('https://r.example');
  });

  test('ignores X-Forwarded headers of other clients', () => {
    expect(address().absolute(STRANGER, request(FORWARDED))).toBe('http://inner:5000');
  });

  test('has the scheme that the server speaks', () => {
    const of = address({ scheme: 'https' });
    expect(of.absolute(STRANGER, request({ host: 'r.example' }))).toBe('https://r.example');
  });

  test('uses any well-formed Host if PUBLIC_HOSTS is not set', () => {
    for (const host of ['r.example', 'r.example:5000', '[::1]:5000', '127.0.0.1:5000'])
      expect(address().absolute(STRANGER, request({ host }))).toBe(`http://${host}`);
    for (const host of ['a"b', 'a b', 'a@b', 'a/b', 'a\\b', '', 'a:99999', 'a,b'])
      expect(address().absolute(STRANGER, request({ host }))).toBeUndefined();
    expect(address().absolute(STRANGER, request({}))).toBeUndefined();
  });

  test('uses a Host only if PUBLIC_HOSTS has it, and otherwise the first entry', () => {
    const of = address({ hosts: ['r.example', 'r.example:5000'] });
    expect(of.absolute(STRANGER, request({ host: 'R.Example:5000' }))).toBe('http://R.Example:5000');
    for (const host of ['evil.example', 'r.example.evil.example', 'r.example:80', ''])
      expect(of.absolute(STRANGER, request({ host }))).toBe('http://r.example');
  });

  test('uses the host of a trusted proxy only if PUBLIC_HOSTS has it', () => {
    const headers = { ...FORWARDED, 'x-forwarded-host': 'evil.example' };
    expect(address({ hosts: ['r.example'] }).absolute(PROXY, request(headers))).toBe('https://r.example');
  });
});

describe('the host that a token is for', () => {
  test('is that of PUBLIC_URL', () => {
    const of = address({ url: 'https://r.example:8443/registry', hosts: ['other.example'] });
    expect(of.isService('r.example:8443')).toBeTrue();
    for (const host of ['r.example', 'other.example', 'r.example:8443/registry', ''])
      expect(of.isService(host)).toBeFalse();
  });

  test('is one of PUBLIC_HOSTS', () => {
    const of = address({ hosts: ['r.example', 'r.example:5000'] });
    for (const host of ['r.example', 'R.example:5000']) expect(of.isService(host)).toBeTrue();
    for (const host of ['evil.example', 'r.example:80', '']) expect(of.isService(host)).toBeFalse();
  });

  test('is any well-formed host if neither is set', () => {
    for (const host of ['r.example', '[::1]:5000']) expect(address().isService(host)).toBeTrue();
    for (const host of ['', 'a b', 'https://r.example', 'marina:01J:refresh'])
      expect(address().isService(host)).toBeFalse();
  });
});

describe('a Location', () => {
  test('is relative unless PUBLIC_URL is set or a trusted proxy gives the origin', () => {
    expect(address().ofLocations(STRANGER, request(FORWARDED))).toBe('');
    expect(address().ofLocations(PROXY, request(FORWARDED))).toBe('https://r.example');
    expect(address({ url: 'https://p.example' }).ofLocations(STRANGER, request(FORWARDED))).toBe('https://p.example');
  });

  test('is relative if a proxy forwards a host that is not in PUBLIC_HOSTS', () => {
    expect(address({ hosts: ['p.example'] }).ofLocations(PROXY, request(FORWARDED))).toBe('');
  });
});

describe('the redirect target for plain HTTP', () => {
  test('is PUBLIC_URL if that is https', () => {
    const of = address({ url: 'https://r.example/registry' });
    expect(of.secure(request({ host: 'other.example' }), 5000)).toBe('https://r.example/registry');
  });

  test('is the requested host with the TLS port', () => {
    expect(address().secure(request({ host: 'r.example:8080' }), 5000)).toBe('https://r.example:5000');
    expect(address().secure(request({ host: 'R.example' }), 443)).toBe('https://r.example');
    expect(address().secure(request({ host: '[::1]:80' }), 5000)).toBe('https://[::1]:5000');
  });

  test('is an entry of PUBLIC_HOSTS, with its port, if that is set', () => {
    const of = address({ url: 'http://r.example', hosts: ['r.example', 'mirror.example:8443'] });
    expect(of.secure(request({ host: 'mirror.example:8080' }), 5000)).toBe('https://mirror.example:8443');
    for (const host of ['r.example:80', 'evil.example', 'a"b', ''])
      expect(of.secure(request({ host }), 5000)).toBe('https://r.example');
  });

  test('does not exist without a well-formed host', () => {
    for (const host of ['', 'a b', 'a@b', 'a,b']) expect(address().secure(request({ host }), 5000)).toBeUndefined();
  });
});
