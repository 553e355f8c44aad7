import { describe, expect, test } from 'bun:test';
import { script } from './script.ts';
import { SCRIPTS } from './scripts.ts';

describe('each script', () => {
  test.each(Object.values(SCRIPTS).map((each) => [each.name, each.source] as const))(
    '%s is of the kind that replicas refuse, and says what it does with which keys and arguments',
    (_, source) => {
      const [first = '', ...lines] = source.split('\n');
      expect(['#!lua', '#!lua flags=allow-oom']).toContain(first);
      const header = lines.slice(
        0,
        lines.findIndex((line) => !line.startsWith('--')),
      );
      for (const word of ['-- KEYS  1 ', '-- ARGV  1', '-- reply ']) {
        expect(header.filter((line) => line.startsWith(word))).toHaveLength(1);
      }
      expect(source).not.toContain('-- include');
      // The time is the node's, never the server's: simulations decide it.
      expect(source).not.toMatch(/'TIME'/);
    },
  );

  test('that may run when Redis is full reads, frees memory, or writes the few words that deletes need', () => {
    const onFull = Object.values(SCRIPTS).filter(({ source }) => source.startsWith('#!lua flags=allow-oom'));
    const calls = (source: string): string[] =>
      [...source.matchAll(/redis\.call\('(\w+)'/g)].map(([, name = '']) => name);
    const read = [
      'INFO',
      'TYPE',
      'GET',
      'EXISTS',
      'HLEN',
      'ZRANGE',
      'HGET',
      'HMGET',
      'ZRANGEBYLEX',
      'ZLEXCOUNT',
      'ZSCORE',
      'HEXISTS',
    ];
    const writes = onFull.map(
      ({ name, source }) => [name, calls(source).filter((each) => !read.includes(each))] as const,
    );
    expect(Object.fromEntries(writes)).toEqual({
      ask: [],
      'catalog-lacks': [],
      'catalog-page': [],
      'list-referrers': [],
      'list-tags': [],
      // A few words per node or healing, which expire, and one entry for each repository.
      announce: ['SET', 'ZREM', 'SET', 'ZREM', 'SET', 'ZADD', 'EXPIRE', 'HSET'],
      'wait-turn': ['SET', 'ZREM', 'SET', 'ZREM', 'SET', 'ZADD', 'EXPIRE'],
      'end-turn': ['DEL'],
      inspect: ['SET', 'HSET', 'EXPIRE'],
      'end-heal': ['HDEL', 'DEL'],
      own: ['HSET', 'HDEL', 'HSET'],
      switch: ['UNLINK', 'PERSIST', 'DEL', 'HSET', 'HDEL', 'EXPIRE', 'PERSIST', 'UNLINK'],
      'catalog-expect': ['HSET'],
      'catalog-mark': ['ZADD', 'HSET'],
      'catalog-settle': ['HSET', 'ZADD', 'ZREM'],
      // For slots in the log: those that need memory are refused when they are announced.
      apply: calls(SCRIPTS.apply.source).filter((each) => !read.includes(each)),
      reset: ['UNLINK'],
      'catalog-forget': ['UNLINK'],
    });
  });
});

describe('a script', () => {
  test('must begin with #!lua, and include only what is there', () => {
    expect(() => script('x', '-- comment\n#!lua\nreturn 1')).toThrow('does not begin');
    expect(() => script('x', '#!lua\n-- include nothing\nreturn 1')).toThrow('does not exist');
    expect(script('x', '#!lua\n-- include part\nreturn 1', { part: 'local a = 1\n' }).source).toBe(
      '#!lua\nlocal a = 1\nreturn 1',
    );
  });
});
