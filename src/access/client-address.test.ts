import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { clientOf } from './client-address.ts';

describe('a client', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:0DB8:0001:0002::', '2001:db8:1:2'],
    ['2001:db8::1', '2001:db8:0:0'],
    ['2001:db8:1::2:3', '2001:db8:1:0'],
    ['::1', '0:0:0:0'],
    ['::', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    [undefined, 'unknown'],
  ])('with the address %s is %s', (address, client) => expect(clientOf(address)).toBe(client));

  test('is a whole /64 network in IPv6', () => {
    const group = fc.integer({ min: 0, max: 0xffff }).map((each) => each.toString(16));
    const groups = fc.array(group, { minLength: 8, maxLength: 8 });
    fc.assert(
      fc.property(groups, groups, (one, other) => {
        const same = [...one.slice(0, 4), ...other.slice(4)];
        expect(clientOf(one.join(':'))).toBe(clientOf(same.join(':')));
      }),
    );
  });
});
