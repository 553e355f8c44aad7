import { describe, expect, test } from 'bun:test';
import { describeAddress, parseRedisUrl } from './address.ts';

describe('REDIS_URL', () => {
  test('names a server', () => {
    expect(parseRedisUrl('redis://cache')).toEqual({
      ...{ kind: 'single', hosts: [{ host: 'cache', port: 6379 }], tls: false, db: 0, master: '' },
    });
    expect(parseRedisUrl('rediss://user:p%40ss:word@[::1]:7000/3')).toEqual({
      ...{ kind: 'single', hosts: [{ host: '::1', port: 7000 }], tls: true, db: 3, master: '' },
      ...{ username: 'user', password: 'p@ss:word' },
    });
    expect(parseRedisUrl('redis://:100%@cache:1/')).toMatchObject({ password: '100%', db: 0 });
  });

  test('names a Sentinel group', () => {
    const url = 'redis+sentinel://:secret@one,two:26380/my%20master?db=2&sentinelUsername=s&sentinelPassword=t';
    expect(parseRedisUrl(url)).toEqual({
      kind: 'sentinel',
      hosts: [
        { host: 'one', port: 26379 },
        { host: 'two', port: 26380 },
      ],
      ...{ tls: false, db: 2, master: 'my master', password: 'secret', sentinelUsername: 's', sentinelPassword: 't' },
    });
  });

  test('names a Redis Cluster', () => {
    expect(parseRedisUrl('rediss+cluster://a:1,b:2,c:3')).toMatchObject({ kind: 'cluster', tls: true, db: 0 });
  });

  test.each([
    '',
    'cache:6379',
    'http://cache',
    'redis://',
    'redis://cache:0',
    'redis://cache:65536',
    'redis://cache:port',
    'redis://a,b',
    'redis://cache/one',
    'redis://cache/-1',
    'redis://cache?unknown=1',
    'redis+sentinel://a:1,b:2',
    'redis+sentinel://a:1,,b:2/master',
    'redis+sentinel://a:1/master?db=x',
    'redis+cluster://a:1/0',
    'redis+cluster://a:1?db=1',
    'redis+other://a:1',
  ])('is refused as %s', (text) => {
    expect(parseRedisUrl(text)).toBeUndefined();
  });

  test('is described without its passwords', () => {
    const address = parseRedisUrl('rediss+sentinel://u:secret@a:1,b:2/m?sentinelPassword=secret');
    expect(address && describeAddress(address)).toBe('rediss+sentinel://a:1,b:2/m');
  });
});
