import { afterAll, beforeEach, describe, expect, test } from 'bun:test';
import { A, B, C } from '../../test/support/registry.ts';
import type { Quota } from '../access/rules/quota.ts';
import type { RepositoryName } from '../oci/names.ts';
import { offer, remote } from '../threads/calls.ts';
import { type HeldRoom, Ledger } from './ledger.ts';
import { QUOTA_CALLS, type QuotaCalls, QuotaService, ThreadLedger } from './thread-ledger.ts';

const QUOTAS: readonly Quota[] = [
  { name: 'q', patterns: [A, B], matches: (repo) => repo === A || repo === B, allowed: { bytes: 100, tags: 3 } },
];
const bytes = (amount: number) => ({ bytes: amount, tags: 0, slots: 1 });

const channels: MessageChannel[] = [];
let ledger: Ledger;
let counted: RepositoryName[];
let written: RepositoryName[];
let refused: string[];

beforeEach(() => {
  ledger = new Ledger();
  ledger.use(QUOTAS);
  [counted, written, refused] = [[], [], []];
});
afterAll(() => {
  for (const { port1 } of channels) port1.close();
});

/** The ledger of another thread. */
function openThread(): { readonly ledger: ThreadLedger; readonly owner: QuotaCalls } {
  const channel = new MessageChannel();
  channels.push(channel);
  offer<QuotaCalls>(
    channel.port2,
    new QuotaService({
      ledger,
      count: async (repo) => void counted.push(repo),
      written: (repo) => void written.push(repo),
      refused: (quota, resource) => void refused.push(`${quota} ${resource}`),
    }),
  );
  const owner = remote<QuotaCalls>(channel.port1, QUOTA_CALLS);
  const own = new ThreadLedger(owner);
  own.use(QUOTAS);
  return { ledger: own, owner };
}

const used = () => ledger.used[0]?.used.bytes;

describe('the ledgers of several threads', () => {
  test('never reserve more than a quota allows together, the owner included', async () => {
    const threads = [openThread().ledger, openThread().ledger, ledger];
    const held: HeldRoom[] = [];
    const answers = await Promise.all(
      Array.from({ length: 30 }, async (_, index) => {
        const reservation = threads[index % 3]?.reserve(index % 2 === 0 ? A : B);
        if (reservation === undefined) return expect.unreachable();
        const excess = await reservation.want(bytes(10));
        if (excess === undefined) held.push(reservation);
        return excess;
      }),
    );
    expect(held).toHaveLength(10);
    expect(used()).toBe(100);
    for (const excess of answers) {
      if (excess !== undefined) expect(excess).toMatchObject({ resource: 'bytes', used: 100, added: 10, allowed: 100 });
    }
    for (const reservation of held) await reservation.release();
    expect(used()).toBe(0);
  });

  test('change a reservation, and keep it as it was if there is no room', async () => {
    const reservation = openThread().ledger.reserve(A);
    expect(await reservation.want(bytes(60))).toBeUndefined();
    expect(await reservation.want(bytes(101))).toMatchObject({ quota: { name: 'q' }, used: 60, added: 41 });
    expect([reservation.held.bytes, used()]).toEqual([60, 60]);
    expect(await reservation.want({ ...reservation.held, bytes: 80 })).toBeUndefined();
    expect(used()).toBe(80);
    await reservation.release();
    await reservation.release();
    expect(used()).toBe(0);
  });

  test('report what their writes changed before a reservation is released', async () => {
    const { ledger: own, owner } = openThread();
    const reservation = own.reserve(A);
    await reservation.want(bytes(50));
    const reported = owner.used(A, { seq: 1, exists: true, bytes: 50, tags: 0 });
    await reservation.release();
    expect([used(), ledger.counted(A)?.seq]).toEqual([50, 1]);
    await reported;
  });

  test('keep a finished reservation until the repository is counted', async () => {
    const reservation = openThread().ledger.reserve(A);
    await reservation.want(bytes(50));
    await reservation.finish();
    expect(ledger.finished(A)).toHaveLength(1);
    expect(written).toEqual([A]);
  });

  test('are counted after a write that was not reported', async () => {
    const { owner } = openThread();
    await owner.written(B);
    expect([written, ledger.finished(B)]).toEqual([[B], []]);
  });

  test('know by themselves which repositories have a quota', async () => {
    const { ledger: own, owner } = openThread();
    expect([own.limits(A), own.limits(C)]).toEqual([true, false]);
    expect([own.limitsResource(A, 'tags'), own.limitsResource(A, 'slots')]).toEqual([true, false]);
    await owner.count(A);
    await owner.refused('q', 'tags');
    expect([counted, refused]).toEqual([[A], ['q tags']]);
  });
});
