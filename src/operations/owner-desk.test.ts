import { expect, test } from 'bun:test';
import { eventually } from '../../test/support/eventually.ts';
import { InProcessQueue } from '../jobs/in-process.ts';
import { POLICIES } from '../jobs/queue.ts';
import type { Incarnation } from '../oci/names.ts';
import { type OwnerDeskPorts, ProcessDesk } from './owner-desk.ts';
import type { Announcement } from './roster/announcement.ts';
import { MemoryRoster } from './roster/memory-roster.ts';

const ID = '01ARZ3NDEKTSV4RRFFQ69G5FAV' as Incarnation;
const ABOUT: Announcement = {
  ...{ name: 'n', role: 'node', pid: 1, version: '1', threads: 1, started: 0, isDraining: false, jobs: [] },
};

/** A desk whose snapshots fail as long as `isBroken` says so, once each. */
function openDesk(isBroken: () => boolean, more: Partial<OwnerDeskPorts> = {}) {
  const queue = new InProcessQueue({
    run: async () => {
      if (isBroken()) throw new Error('the disk is gone');
    },
    policies: { ...POLICIES, collect: { ...POLICIES.collect, attempts: 1 } },
    now: Date.now,
    sleep: (milliseconds) => Bun.sleep(milliseconds),
    ended: () => {},
    closeWithin: 1_000,
  });
  const desk = new ProcessDesk({
    about: {
      name: 'n',
      version: '1',
      storage: 'memory',
      store: 's',
      shape: 'embedded',
      startedAt: 0,
      hasRetention: false,
    },
    threads: [{ index: 0, inFlight: async () => 0 }],
    presence: { id: ID, about: ABOUT },
    listed: undefined,
    replicas: new MemoryRoster(Date.now),
    memory: () => 1,
    board: queue,
    enqueue: (job) => queue.enqueue(job),
    writes: { turn: async () => {}, requireWritable: () => {} },
    turned: async () => {},
    webhooks: undefined,
    orderWebhook: async () => true,
    tryWebhookOut: async () => ({ kind: 'accepted', status: 200 }),
    reader: { read: async () => undefined, list: async function* () {} },
    feed: { page: () => Promise.reject(new Error('nobody reads')), start: () => Promise.reject(new Error('no feed')) },
    now: Date.now,
    ...more,
  });
  return { desk, queue };
}

test('a dead letter is shown with its reason, and runs again when it is retried', async () => {
  let isBroken = true;
  const { desk, queue } = openDesk(() => isBroken);
  await desk.order({ kind: 'collect' }, 'user:admin');
  await eventually(async () => expect((await desk.jobs()).deadLetters).toHaveLength(1));
  const [letter] = (await desk.jobs()).deadLetters;
  expect(letter).toMatchObject({ kind: 'collect', attempts: 1, reason: 'the disk is gone' });
  isBroken = false;
  expect(await desk.order({ kind: 'retry-job', id: letter?.id ?? '' }, 'user:admin')).toMatchObject({ isDone: true });
  await eventually(async () => {
    const { counts, deadLetters } = await desk.jobs();
    expect([deadLetters.length, counts.every(({ active, waiting }) => active + waiting === 0)]).toEqual([0, true]);
  });
  await expect(desk.order({ kind: 'retry-job', id: letter?.id ?? '' }, 'user:admin')).rejects.toThrow('dead letter');
  await queue.close();
});

test('orders that cannot be carried out are refused', async () => {
  const { desk, queue } = openDesk(() => false);
  await expect(desk.order({ kind: 'retain' }, 'a')).rejects.toThrow('RETENTION_FILE');
  await expect(desk.order({ kind: 'pause-webhook', name: 'A b' }, 'a')).rejects.toThrow('no such webhook');
  await expect(desk.order({ kind: 'replay-webhook', name: 'chat', since: '' }, 'a')).rejects.toThrow('since:');
  const ahead = desk.order({ kind: 'replay-webhook', name: 'chat', since: '2099-01-01' }, 'a');
  await expect(ahead).rejects.toThrow('2099-01-01 is in the future');
  await queue.close();
  await expect(desk.order({ kind: 'collect' }, 'a')).rejects.toThrow('could not be queued');
});

test('a thread that does not answer hides nothing else', async () => {
  const { promise: never } = Promise.withResolvers<never>();
  const threads = [
    { index: 0, inFlight: async () => 2 },
    { index: 1, inFlight: () => never },
  ];
  const { desk, queue } = openDesk(() => false, { threads });
  expect(await desk.node()).toMatchObject({
    ...{ name: 'n', memory: 1 },
    threads: [
      { index: 0, inFlight: 2 },
      { index: 1, inFlight: undefined },
    ],
  });
  await queue.close();
});

test('without an answer of Redis it lists itself, and says why', async () => {
  const failing = () => Promise.reject(new Error('Redis\nis gone'));
  const { promise: never } = Promise.withResolvers<never>();
  for (const [listed, problem] of [
    [undefined, undefined],
    [failing, 'Redis is gone'],
    [() => never, 'Redis does not answer'],
  ] as const) {
    const { desk, queue } = openDesk(() => false, { listed });
    const list = await desk.processes();
    expect(list.problem).toBe(problem);
    expect(list.processes).toMatchObject([{ id: ID, name: 'n', isThis: true, state: 'alive', silentFor: 0 }]);
    await queue.close();
  }
});

test('callers who come while the webhooks are looked at share the answer', async () => {
  let looks = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const list = async function* () {
    looks++;
    await promise;
    yield* [];
  };
  const { desk, queue } = openDesk(() => false, { webhooks: () => [], reader: { read: async () => undefined, list } });
  const reports = [desk.webhooks(), desk.webhooks(), desk.webhooks()];
  resolve();
  expect([await Promise.all(reports), looks]).toEqual([[[], [], []], 1]);
  await desk.webhooks();
  expect(looks).toBe(2);
  await queue.close();
});
