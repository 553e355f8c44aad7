import { expect, test } from 'bun:test';
import { S3ServiceException } from '@aws-sdk/client-s3';
import { type Attempt, LARGE, Requests, type SendOptions, SMALL } from './requests.ts';
import type { S3Ports } from './settings.ts';

interface Sleeper {
  readonly at: number;
  readonly wake: () => void;
}

/** Requests on a clock that only the test moves. */
function world() {
  let time = 0;
  const sleepers = new Set<Sleeper>();
  const seen: [string, boolean][] = [];
  const ports: S3Ports = {
    now: () => time,
    random: () => 0.5,
    newId: () => 'unused',
    onRequest: (operation, ok) => seen.push([operation, ok]),
    sleep: (milliseconds, signal) =>
      new Promise((resolve) => {
        const sleeper = { at: time + milliseconds, wake: resolve };
        sleepers.add(sleeper);
        signal.addEventListener('abort', () => {
          sleepers.delete(sleeper);
          resolve();
        });
      }),
  };
  const requests = new Requests(ports);
  return {
    seen,
    /** Timers that are set. */
    sleepers: () => sleepers.size,
    /** Ends as `work` does, or with the name of the error, and when. */
    send: async (work: (attempt: Attempt) => Promise<unknown>, options: SendOptions = {}, patience = SMALL) => {
      const outcome = await requests.send('Test', patience, work, options).catch((error: Error) => error.name);
      return [outcome, time];
    },
    /** Why there was no answer. */
    cause: (work: (attempt: Attempt) => Promise<unknown>) =>
      requests.send('Test', SMALL, work).catch((error: Error) => error.cause),
    advance: async (milliseconds: number) => {
      for (const end = time + milliseconds; ; ) {
        await Bun.sleep(0);
        const [next] = [...sleepers].sort((a, b) => a.at - b.at);
        if (next === undefined || next.at > end) {
          time = end;
          return;
        }
        time = Math.max(time, next.at);
        sleepers.delete(next);
        next.wake();
      }
    },
  };
}

/** A store that never answers. */
const silent = ({ signal }: Attempt): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
const busy = (): Promise<never> =>
  Promise.reject(
    new S3ServiceException({ name: 'SlowDown', message: 'busy', $fault: 'server', $metadata: { httpStatusCode: 503 } }),
  );

test('a thousand requests to a silent store all fail at their deadline, which counts from the call', async () => {
  const { send, advance, sleepers } = world();
  const first = Promise.all(Array.from({ length: 600 }, () => send(silent)));
  await advance(3_000);
  const later = Promise.all(Array.from({ length: 400 }, () => send(silent)));
  await advance(60_000);
  for (const [outcome, at] of await first) {
    expect(outcome).toBe('NoAnswer');
    expect(at).toBeLessThanOrEqual(10_000);
  }
  for (const [outcome, at] of await later) {
    expect(outcome).toBe('NoAnswer');
    expect(at).toBeLessThanOrEqual(13_000);
  }
  // All permits are free again, and no timer is left.
  const after = Promise.all(Array.from({ length: 96 }, () => send(async () => 'ok')));
  expect(new Set((await after).map(([outcome]) => outcome))).toEqual(new Set(['ok']));
  expect(sleepers()).toBe(0);
});

test('a client that leaves frees its place in the queue at once, and its attempt is aborted', async () => {
  const { send, advance, seen } = world();
  const leaving = new AbortController();
  const holders = Array.from({ length: 96 }, () => send(silent, { signal: leaving.signal }));
  const left = new AbortController();
  const waits = send(async () => 'never', { signal: left.signal });
  const stays = send(async () => 'ok');
  await advance(1_000);
  left.abort(new DOMException('the client left', 'AbortError'));
  expect(await waits).toEqual(['AbortError', 1_000]);
  leaving.abort(new DOMException('the client left', 'AbortError'));
  expect(new Set((await Promise.all(holders)).map(String))).toEqual(new Set(['AbortError,1000']));
  expect(await stays).toEqual(['ok', 1_000]);
  // What a client gave up is no failure of the store.
  expect(seen).toEqual([['Test', true]]);
});

test('a client that leaves during a pause ends it', async () => {
  const { send, advance } = world();
  const leaving = new AbortController();
  const sent = send(busy, { signal: leaving.signal });
  await advance(10);
  leaving.abort(new DOMException('the client left', 'AbortError'));
  expect(await sent).toEqual(['AbortError', 10]);
});

test('with finishesAttempt the attempt in flight is finished, and no other one begins', async () => {
  const { send, advance } = world();
  const leaving = new AbortController();
  let attempts = 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  const finishing = send(() => promise, { signal: leaving.signal, finishesAttempt: true }, LARGE);
  const failing = send(
    (attempt) => {
      attempts++;
      return silent(attempt);
    },
    { signal: leaving.signal, finishesAttempt: true },
    LARGE,
  );
  await advance(1_000);
  leaving.abort(new DOMException('the client left', 'AbortError'));
  resolve('stored');
  expect(await finishing).toEqual(['stored', 1_000]);
  await advance(120_000);
  expect(await failing).toEqual(['AbortError', 60_000]);
  expect(attempts).toBe(1);
});

test('requests of one chain share its deadline', async () => {
  const { send, advance } = world();
  const answered = Promise.withResolvers<void>();
  const chain = (async () => {
    const deadline = 10_000;
    await send(() => answered.promise, { deadline });
    return await send(silent, { deadline });
  })();
  await advance(4_000);
  answered.resolve();
  await advance(20_000);
  const [outcome, at] = await chain;
  expect(outcome).toBe('NoAnswer');
  expect(at).toBeGreaterThan(9_000);
  expect(at).toBeLessThanOrEqual(10_000);
  expect(await send(silent, { deadline: 10_000 })).toEqual(['NoAnswer', 24_000]);
});

test('the cause is the last failure before an attempt that the deadline cut short', async () => {
  const { cause, advance } = world();
  const answers = [() => Promise.reject(new Error('ECONNREFUSED')), silent, silent];
  const failed = cause((attempt) => answers.shift()?.(attempt) ?? silent(attempt));
  await advance(20_000);
  expect(await failed).toEqual(new Error('ECONNREFUSED'));
  const slow = cause(silent);
  await advance(20_000);
  expect(await slow).toMatchObject({ name: 'AttemptTooSlow' });
});

test('transient failures are retried, refusals are not', async () => {
  const { send, advance, seen } = world();
  const answers = [busy, busy, async () => 'ok'];
  const sent = send((() => answers.shift()?.()) as () => Promise<unknown>);
  await advance(1_000);
  expect(await sent).toEqual(['ok', 75]);
  expect(seen).toEqual([
    ['Test', false],
    ['Test', false],
    ['Test', true],
  ]);
  const refused = new S3ServiceException({
    ...{ name: 'AccessDenied', message: 'no', $fault: 'client' as const },
    $metadata: { httpStatusCode: 403 },
  });
  expect(await send(() => Promise.reject(refused))).toEqual(['AccessDenied', 1_000]);
});
