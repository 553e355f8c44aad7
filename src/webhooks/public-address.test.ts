import { expect, test } from 'bun:test';
import { addressOfHost, isLocalName, isPublicAddress } from './public-address.ts';

test.each(['1.1.1.1', '8.8.8.8', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::5', '::ffff:8.8.8.8'])(
  '%s is public',
  (address) => expect(isPublicAddress(address)).toBe(true),
);

test.each([
  ...['0.0.0.0', '127.0.0.1', '127.9.9.9', '10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1'],
  ...['169.254.169.254', '100.64.0.1', '192.0.2.1', '198.18.0.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
  ...['::', '::1', 'fe80::1', 'fe80::1%eth0', 'fc00::1', 'fd12::1', 'ff02::1', 'fec0::1', '2001:db8::1'],
  // Other ways to write an IPv4 address.
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:10.0.0.1', '::127.0.0.1', '64:ff9b::7f00:1', '2002:7f00:1::'],
  ...['', 'localhost', 'example.com', '1.2.3.4.5', '[::1]'],
])('%s is not public', (address) => expect(isPublicAddress(address)).toBe(false));

test.each([
  ['http://2130706433/', '127.0.0.1'],
  ['http://0x7f.1/', '127.0.0.1'],
  ['http://[::FFFF:127.0.0.1]/', '::ffff:7f00:1'],
  ['http://127.0.0.1:80/', '127.0.0.1'],
  ['http://example.com/', undefined],
])('the host of %s is the address %s', (url, address) => {
  expect(addressOfHost(new URL(url).hostname)).toBe(address);
});

test('localhost and the names below it mean this machine', () => {
  for (const name of ['localhost', 'localhost.', 'a.localhost'])
    expect([name, isLocalName(name)]).toEqual([name, true]);
  for (const name of ['localhost.example', 'mylocalhost']) expect([name, isLocalName(name)]).toEqual([name, false]);
});
