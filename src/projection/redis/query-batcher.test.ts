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
  test('that arrive together share a call, and those that arrive meanwhile the next one, without duplicates', async () => {
    const { sent, one } = world();
    const first = [one(A, 'x'), one(A, 'w'), one(A, 'x')];
    await settled();
    const others = [one(A, 'y'), one(A, 'x'), one(A, 'y')];
    await settled();
    expect(sent.map(({ names }) => names)).toEqual([['x', 'w']]);
    sent[0]?.answer('old ');
    await settled();
    expect(sent.map(({ names }) => names)).toEqual([
      ['x', 'w'],
      ['y', 'x'],
    ]);
    sent[1]?.answer('new ');
    expect((await Promise.all(first)).map((each) => each?.answer)).toEqual(['old x', 'old w', 'old x']);
    // What was asked after the first script was sent is not answered by it.
    expect((await Promise.all(others)).map((each) => each?.answer)).toEqual(['new y', 'new x', 'new y']);
  });

  test('do not wait for those of another one', async () => {
    const { sent, one } = world();
    void one(A, 'x');
    void one(B, 'x');
    await settled();
    expect(sent.map(({ repo }) => repo)).toEqual([A, B]);
  });

  test('fail with the call they waited for if Redis is gone; later ones are sent again', async () => {
    const { sent, one } = world();
    const all = [one(A, 'x')];
    await settled();
    all.push(one(A, 'y'));
    sent[0]?.fail();
    for (const each of await Promise.allSettled(all)) {
      expect(each.status === 'rejected' && each.reason).toBeInstanceOf(RedisGone);
    }
    const again = one(A, 'z');
    await settled();
    sent[1]?.answer('');
    expect((await again)?.answer).toBe('z');
  });

  test('are at most as many per script as one may look up', async () => {
    const { sent, one } = world();
    const all = Array.from({ length: 2_500 }, (_, index) => one(A, `t${index}`));
    for (let index = 0; index < 3; index++) {
      await settled();
      sent[index]?.answer('');
    }
    expect(sent.map(({ names }) => names.length)).toEqual([1000, 1000, 500]);
    expect((await Promise.all(all)).map((each) => each?.answer)).toEqual(all.map((_, index) => `t${index}`));
  });
});
