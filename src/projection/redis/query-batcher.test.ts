import { describe, expect, test } from 'bun:test';
import type { SlotHash } from '../../journal/events.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { RedisGone } from './commands.ts';
import type { Query } from './facts.ts';
import { QueryBatcher } from './query-batcher.ts';
import type { ViewAnswer } from './view.ts';

const A = 'a' as RepositoryName;
const B = 'b' as RepositoryName;

/** Scripts on their way, answered by hand. */
function world() {
  const sent: { repo: RepositoryName; names: string[]; answer: (prefix: string) => void; fail: () => void }[] = [];
  const batcher = new QueryBatcher((repo, asks: readonly Query[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<ViewAnswer | undefined>();
    const names = asks.map(([, name]) => name);
    const asked = { seq: 1, hash: '' as SlotHash, exists: true, partial: false };
    sent.push({
      ...{ repo, names },
      answer: (prefix) => resolve({ ...asked, answers: names.map((name) => prefix + name) }),
      fail: () => reject(new RedisGone('gone')),
    });
    return promise;
  });
  return { sent, one: (repo: RepositoryName, name: string) => batcher.one(repo, ['T', name]) };
}

const settled = () => Bun.sleep(0);

describe('queries of one repository', () => {
  test('are sent at once; those that arrive meanwhile share the next call, without duplicates', async () => {
    const { sent, one } = world();
    const first = one(A, 'x');
    const others = [one(A, 'y'), one(A, 'x'), one(A, 'y')];
    expect(sent.map(({ names }) => names)).toEqual([['x']]);
    sent[0]?.answer('old ');
    await settled();
    expect(sent.map(({ names }) => names)).toEqual([['x'], ['y', 'x']]);
    sent[1]?.answer('new ');
    expect((await first)?.answer).toBe('old x');
    // What was asked after the first script was sent is not answered by it.
    expect((await Promise.all(others)).map((each) => each?.answer)).toEqual(['new y', 'new x', 'new y']);
  });

  test('do not wait for those of another one', () => {
    const { sent, one } = world();
    void one(A, 'x');
    void one(B, 'x');
    expect(sent.map(({ repo }) => repo)).toEqual([A, B]);
  });

  test('fail with the call they waited for if Redis is gone; later ones are sent again', async () => {
    const { sent, one } = world();
    const all = [one(A, 'x'), one(A, 'y')];
    sent[0]?.fail();
    for (const each of await Promise.allSettled(all)) {
      expect(each.status === 'rejected' && each.reason).toBeInstanceOf(RedisGone);
    }
    const again = one(A, 'z');
    sent[1]?.answer('');
    expect((await again)?.answer).toBe('z');
  });

  test('are at most as many per script as one may look up', async () => {
    const { sent, one } = world();
    const all = Array.from({ length: 2_500 }, (_, index) => one(A, `t${index}`));
    for (let index = 0; index < 4; index++) {
      sent[index]?.answer('');
      await settled();
    }
    expect(sent.map(({ names }) => names.length)).toEqual([1, 1000, 1000, 499]);
    expect((await Promise.all(all)).map((each) => each?.answer)).toEqual(all.map((_, index) => `t${index}`));
  });
});
