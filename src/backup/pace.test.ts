import { expect, test } from 'bun:test';
import { paceBeside } from './pace.ts';

const PIECE_MS = 10;

/**
 * A backup with as many pieces of work.
 * @param requests of clients until that time, in milliseconds from the begin
 * @param share of the work that is processor time
 * @returns how long it took, the rests with how long it had worked before each, and how often others had their turn
 */
async function backUp(pieces: number, requests: (now: number) => number | undefined, share = 1) {
  let [time, worked, processorTime, turns] = [0, 0, 0, 0];
  const usedAt: number[] = [];
  const rests: { readonly after: number; readonly milliseconds: number }[] = [];
  const { pause, rested } = paceBeside({
    now: () => time,
    processorTime: () => processorTime,
    sleep: async (milliseconds) => {
      rests.push({ after: worked, milliseconds });
      worked = 0;
      time += milliseconds;
    },
    requests: async () => requests(time),
    afterWork: async () => void turns++,
    onUsed: () => usedAt.push(time),
  });
  for (let done = 0; done < pieces; done++) {
    await pause();
    worked += PIECE_MS;
    processorTime += PIECE_MS * share;
    time += PIECE_MS;
  }
  expect(rested()).toBeCloseTo(rests.reduce((sum, { milliseconds }) => sum + milliseconds, 0));
  expect(usedAt.length).toBe(Math.min(1, rests.length));
  return { took: time, rests, turns };
}

/** Requests that come at an even rate, between two times in milliseconds. */
const perSecond =
  (rate: number, from = 0, to = Number.POSITIVE_INFINITY) =>
  (now: number): number =>
    Math.floor((Math.max(0, Math.min(now, to) - from) * rate) / 1000);

test('without requests a backup does not rest, but lets others run every 200 ms', async () => {
  const { took, rests, turns } = await backUp(1_000, () => 5);
  expect({ took, rests }).toEqual({ took: 10_000, rests: [] });
  expect(turns).toBe(49);
});

test('without a server it does not rest', async () => {
  const { took } = await backUp(1_000, () => undefined);
  expect(took).toBe(10_000);
});

test.each([1_000, 5])(
  'with %i requests a second it works for a quarter of the time, 200 ms at a time',
  async (rate) => {
    const { took, rests } = await backUp(1_000, perSecond(rate));
    expect(took).toBeGreaterThan(38_000);
    expect(took).toBeLessThanOrEqual(40_000);
    const [first, ...others] = rests;
    // How many requests are new is known from the second look on.
    expect(first?.after).toBeLessThanOrEqual(600);
    expect(new Set(others.map(({ after }) => after))).toEqual(new Set([200]));
    expect(new Set(rests.map(({ milliseconds }) => milliseconds))).toEqual(new Set([600]));
  },
);

test.each([
  ['waits for disks for half of the time', 0.5, 300],
  ['hardly gets a processor', 0.01, 6],
  ['uses two processors', 2, 600],
])('a backup that %s rests for three times its processor time, but not longer than 600 ms', async (_, share, rest) => {
  const { rests } = await backUp(1_000, perSecond(1_000), share);
  expect(rests.length).toBe(48);
  for (const { milliseconds } of rests) expect(milliseconds).toBeCloseTo(rest);
});

test('it stops resting a second after the last request', async () => {
  const { took, rests } = await backUp(1_000, perSecond(100, 2_000, 4_000));
  // From 2 to 5 s, every 800 ms.
  expect(rests.length).toBeGreaterThanOrEqual(3);
  expect(rests.length).toBeLessThanOrEqual(5);
  expect(took).toBe(10_000 + 600 * rests.length);
});

test('requests to a server that was restarted count, too', async () => {
  const { rests } = await backUp(400, (now) => {
    if (now < 500) return 1_000;
    return now < 800 ? undefined : perSecond(1_000, 800)(now);
  });
  expect(rests.length).toBeGreaterThan(4);
});

test('a failure of the work after a piece reaches the backup', async () => {
  const ports = {
    now: performance.now.bind(performance),
    processorTime: () => 0,
    sleep: async () => {},
    requests: async () => 1,
    onUsed: () => {},
  };
  const { pause } = paceBeside({ ...ports, afterWork: () => Promise.reject(new Error('broken')) });
  await Bun.sleep(210);
  await expect(pause()).rejects.toThrow('broken');
});
