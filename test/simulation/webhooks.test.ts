// Webhooks on simulated time: processes die and hang, the store and the receivers fail; and deliberate bugs that this must detect.
import { expect, test } from 'bun:test';
import { simulate } from './webhooks/simulate.ts';
import type { Bug } from './webhooks/world.ts';

const SEEDS = Number(process.env.SIM_SEEDS ?? 300);
/** An injected bug is detected within this many seeds. */
const FOUND_WITHIN = 300;
/** Seeds that found bugs: a lease that was renewed after it had run out. */
const FOUND_BUGS = [2373];
const WITHIN_MS = 600_000;

const BUGS: Readonly<Record<string, Bug>> = {
  'the cursor is advanced before the delivery was acknowledged': {
    ports: (ports) => ({
      ...ports,
      openSender: (webhook) => {
        const { send, close } = ports.openSender(webhook);
        return {
          close,
          send: async (message, signal) => {
            void send(message, signal).catch(() => undefined);
            return { kind: 'accepted', status: 200 };
          },
        };
      },
    }),
  },
  'deliveries give way for as long as the process is busy': {
    ports: (ports, world) => ({
      ...ports,
      giveWay: async (_, _waited, signal) => {
        while (world.isBusy() && !signal.aborted) await ports.sleep(1_000, signal);
      },
    }),
  },
  'a process does not wait until the former holder has lost the lease': {
    ports: (ports) => ({ ...ports, isAlone: true }),
  },
};

test(
  'every change is delivered in order per repository, whatever is killed, stopped or lost',
  async () => {
    let [changes, arrivals] = [0, 0];
    for (const seed of [...Array.from({ length: SEEDS }, (_, index) => index + 1), ...FOUND_BUGS]) {
      const run = await simulate(seed);
      expect([seed, run.violations]).toEqual([seed, []]);
      changes += run.changes;
      arrivals += run.arrivals;
    }
    console.log(`${SEEDS} runs, ${changes} changes, ${arrivals} arrivals`);
    // Runs without deliveries would prove nothing.
    expect(arrivals).toBeGreaterThan(changes);
  },
  WITHIN_MS,
);

test('the same seed gives the same run', async () => {
  for (const seed of [3, 14]) expect(await simulate(seed)).toEqual(await simulate(seed));
});

for (const [name, bug] of Object.entries(BUGS)) {
  test(
    `detects an injected bug: ${name}`,
    async () => {
      let seed = 1;
      while (seed <= FOUND_WITHIN && (await simulate(seed, bug)).violations.length === 0) seed++;
      console.log(`${name}: seed ${seed}`);
      expect(seed).toBeLessThanOrEqual(FOUND_WITHIN);
    },
    WITHIN_MS,
  );
}
