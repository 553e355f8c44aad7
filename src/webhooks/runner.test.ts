import { expect, test } from 'bun:test';
import type { Change } from '../feed/change.ts';
import type { Cursor } from '../feed/cursor.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';
import { delayAfter } from './backoff.ts';
import { Runner, type RunnerPorts } from './runner.ts';
import type { Message, Outcome } from './sender.ts';
import { newState, type WebhookState } from './state.ts';
import { parseWebhooksFile } from './webhooks-file.ts';

const HOUR_MS = 3_600_000;
const BEGIN = Date.UTC(2030, 0, 1);
const ACCEPTED: Outcome = { kind: 'accepted', status: 200 };

function change(seq: number, time: number, repository = 'a'): Change {
  return {
    ...{ id: `${repository}@${seq}.0`, repository: repository as RepositoryName, seq, index: 0, type: 'tag.set' },
    ...{ time: new Date(time).toISOString(), tag: 't' as Tag, digest: `sha256:${'0'.repeat(64)}` as Digest },
  };
}

interface World {
  readonly changes: readonly Change[];
  readonly answer: (message: Message, count: number) => Outcome;
  readonly stored?: WebhookState | undefined;
  /** Fails with it until the runner begins again. */
  readonly lost?: RegistryError;
  /** How many deliveries end the test. */
  readonly until: number;
}

/** Runs a webhook on a clock that moves while it sleeps. */
async function run({ changes, answer, stored, lost, until }: World) {
  const [webhook] = parseWebhooksFile('webhooks: [{name: h, url: "https://a.example/", maxAge: 2h, since: beginning}]');
  if (webhook === undefined) throw new Error('there is no webhook');
  const stop = new AbortController();
  const world = { now: BEGIN, isLost: lost !== undefined };
  const sent: { readonly id: string; readonly at: number; readonly skipped: string | undefined }[] = [];
  const saved: WebhookState[] = [];
  const slept: number[] = [];
  const started: unknown[] = [];
  const position = (cursor: string): number => Number(cursor.slice(1));
  const cursor = (at: number): Cursor => `c${at}` as Cursor;
  const ports: RunnerPorts = {
    feed: {
      start: async (since) => {
        started.push(since);
        world.isLost = false;
        return cursor(0);
      },
      wait: async () => stop.abort(),
    },
    pages: {
      after: async (from) => {
        if (world.isLost && lost !== undefined) throw lost;
        const rest = changes.slice(position(from));
        return {
          ...{ changes: rest, cursor: cursor(changes.length), more: false },
          cursorAfter: (index) => cursor(position(from) + index + 1),
        };
      },
    },
    states: { get: () => stored, save: async (_, state) => void saved.push(state) },
    send: async ({ body, headers }) => {
      const { id } = JSON.parse(body) as { readonly id: string };
      sent.push({ id, at: world.now - BEGIN, skipped: headers['x-marina-skipped'] });
      const outcome = answer({ body, headers }, sent.length);
      if (sent.length >= until) stop.abort();
      return outcome;
    },
    maxInFlight: () => 8,
    giveWay: async () => {},
    mayDeliver: () => true,
    registry: { url: 'https://r.example', host: 'r.example', store: 'S' },
    version: '0',
    now: () => world.now,
    steadyNow: () => world.now,
    sleep: async (milliseconds) => {
      slept.push(milliseconds);
      world.now += milliseconds;
    },
    random: () => 1,
    saveEvery: 0,
    ...{ onAttempt: () => {}, onHealth: () => {}, onSkipped: () => {}, onCursorLost: () => {} },
    failed: (error) => {
      throw error;
    },
  };
  const runner = new Runner(webhook, ports);
  await runner.run(stop.signal);
  return { sent, saved, slept, started, status: runner.status };
}

test('the cursor moves only past what was acknowledged', async () => {
  const changes = [change(1, BEGIN), change(2, BEGIN), change(3, BEGIN)];
  const refuseThird = ({ body }: Message): Outcome =>
    body.includes('a@3.0') ? { kind: 'failed', reason: 'no' } : ACCEPTED;
  const { saved, status } = await run({ changes, answer: refuseThird, until: 5 });
  expect([...new Set<string>(saved.map((state) => state.cursor))]).toEqual(['c0', 'c1', 'c2']);
  expect(status).toMatchObject({
    cursor: 'c2',
    failing: { attempts: 3, reason: 'no' },
    totals: { delivered: 2, failed: 3 },
  });
});

test('what the last delivery of a page moved is stored with it, not minutes later', async () => {
  const { saved } = await run({ changes: [change(1, BEGIN), change(2, BEGIN)], answer: () => ACCEPTED, until: 3 });
  expect(saved.map(({ cursor, totals }) => [String(cursor), totals.delivered])).toEqual([
    ['c0', 0],
    ['c1', 1],
    ['c2', 2],
  ]);
});

test('the pauses between attempts double up to ten minutes, and a random part is left out', async () => {
  const { sent, slept } = await run({
    ...{ changes: [change(1, BEGIN)], until: 14 },
    answer: (_, count) => (count < 14 ? { kind: 'failed', reason: 'no' } : ACCEPTED),
  });
  expect(slept.map((each) => each / 1_000)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 600, 600, 600]);
  expect(new Set(sent.map(({ id }) => id)).size).toBe(1);
  expect([delayAfter(3, 0), delayAfter(3, 1), delayAfter(1_000, 1)]).toEqual([2_000, 4_000, 600_000]);
});

test('what is older than maxAge is skipped, and the next delivery that is acknowledged says how much', async () => {
  const stored = newState('c0' as Cursor, BEGIN - 10 * HOUR_MS);
  const old = [1, 2, 3].map((seq) => change(seq, BEGIN - 3 * HOUR_MS));
  const { sent, status } = await run({
    ...{ changes: [...old, change(4, BEGIN), change(5, BEGIN)], stored, until: 3 },
    answer: (_, count) => (count === 1 ? { kind: 'failed', reason: 'no' } : ACCEPTED),
  });
  expect(sent.map(({ id, skipped }) => [id, skipped])).toEqual([
    ['a@4.0', '3'],
    ['a@4.0', '3'],
    ['a@5.0', undefined],
  ]);
  expect(status).toMatchObject({ unreported: 0, totals: { delivered: 2, skipped: 3, failed: 1 } });
});

test('a new webhook that begins in the past gets what is older than maxAge', async () => {
  const { sent } = await run({ changes: [change(1, BEGIN - 100 * HOUR_MS)], answer: () => ACCEPTED, until: 1 });
  expect(sent.map(({ id, skipped }) => [id, skipped])).toEqual([['a@1.0', undefined]]);
});

test('changes of other repositories are sent at the same time, those of one repository one after another', async () => {
  const changes = [change(1, BEGIN), change(2, BEGIN), change(1, BEGIN, 'b'), change(1, BEGIN, 'c')];
  const { sent } = await run({ changes, answer: () => ACCEPTED, until: 4 });
  expect(sent.map(({ id }) => id)).toEqual(['a@1.0', 'b@1.0', 'c@1.0', 'a@2.0']);
});

test('a cursor that the feed does not know is replaced by a time some minutes before it was stored', async () => {
  const stored = { ...newState('c9' as Cursor, BEGIN - HOUR_MS), storedAt: BEGIN - 60_000 };
  const lost = new RegistryError('cursor-unknown', 'the store was replaced');
  const { sent, started } = await run({ changes: [change(1, BEGIN)], answer: () => ACCEPTED, stored, lost, until: 1 });
  expect(started).toEqual([{ kind: 'time', at: BEGIN - 11 * 60_000 }]);
  expect(sent.map(({ id }) => id)).toEqual(['a@1.0']);
});
