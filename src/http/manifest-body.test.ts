import { describe, expect, test } from 'bun:test';
import { breaking, type Sent, sent, stalling } from '../../test/support/bodies.ts';
import { refusalOf } from '../../test/support/registry.ts';
import { withManifestBody } from './manifest-body.ts';
import { ManifestBudget, type ManifestLimits } from './manifest-budget.ts';

const chunked = { 'transfer-encoding': 'chunked' };
/** New chunks for each call: the reader frees their memory. */
const two = (): Uint8Array[] => [new Uint8Array([1, 2]), new Uint8Array([3])];

function limits({ idle = 10_000, deadline = 10_000, budget = new ManifestBudget(1_000_000) } = {}): ManifestLimits {
  return { pace: { idle, minRate: 0 }, deadline, budget };
}

function read({ context }: Sent, max: number, how = limits()): Promise<Uint8Array> {
  return withManifestBody(context, max, how, async (bytes) => bytes);
}

describe('the body of a manifest', () => {
  test('arrives whole, and its memory is reserved until it has been used', async () => {
    const budget = new ManifestBudget(10);
    const { context } = sent(two(), { 'content-length': '3' });
    const free: number[] = [];
    const bytes = await withManifestBody(context, 3, limits({ budget }), async (body) => {
      free.push(budget.free);
      await Bun.sleep(1);
      free.push(budget.free);
      return body;
    });
    expect(bytes).toEqual(new Uint8Array([1, 2, 3]));
    expect([...free, budget.free]).toEqual([7, 7, 10]);
    const failing = withManifestBody(sent(two(), chunked).context, 3, limits({ budget }), () => Promise.reject('no'));
    await expect(failing).rejects.toBe('no');
    expect(budget.free).toBe(10);
  });

  test('is refused at its announced length, before a byte is read', async () => {
    const request = sent(two(), { 'content-length': '4' });
    expect(await refusalOf(read(request, 3))).toBe('manifest-too-large');
    expect(request.context.stats.received).toBe(0);
  });

  test('is refused once it is too long, without reading on', async () => {
    const request = sent(stalling(...two(), ...two()), chunked);
    const budget = new ManifestBudget(100);
    expect(await refusalOf(read(request, 4, limits({ budget })))).toBe('manifest-too-large');
    expect([request.cancelled(), budget.free]).toEqual([true, 100]);
  });

  test('is refused if its length is wrong, it breaks off, or it takes too long', async () => {
    expect(await refusalOf(read(sent(two(), { 'content-length': '4' }), 9))).toBe('size-mismatch');
    expect(await refusalOf(read(sent(two(), { 'content-length': '2' }), 9))).toBe('size-mismatch');
    expect(await refusalOf(read(sent(breaking(...two()), chunked), 9))).toBe('upload-interrupted');
    expect(await refusalOf(read(sent(stalling(...two()), chunked), 9, limits({ idle: 30 })))).toBe('upload-stalled');
  });

  test('that trickles or stalls is aborted at the deadline for the whole body', async () => {
    async function* trickle(): AsyncIterable<Uint8Array> {
      for (;;) {
        yield new Uint8Array([1]);
        await Bun.sleep(5);
      }
    }
    for (const source of [trickle(), stalling(...two())]) {
      const request = sent(source, chunked);
      const begun = performance.now();
      expect(await refusalOf(read(request, 1_000_000, limits({ deadline: 60 })))).toBe('upload-stalled');
      expect(performance.now() - begun).toBeLessThan(20_000);
      expect(request.cancelled()).toBe(true);
    }
  });

  test('that stalls while others need its memory is refused', async () => {
    const budget = new ManifestBudget(4, { stalled: 20, patience: 20, maxWait: 1_000, maxWaiting: 9, interval: 5 });
    const slow = sent(stalling(...two()), chunked);
    const slowly = refusalOf(read(slow, 9, limits({ budget })));
    await Bun.sleep(5);
    expect(await read(sent(two(), chunked), 9, limits({ budget }))).toEqual(new Uint8Array([1, 2, 3]));
    expect([await slowly, slow.cancelled(), budget.free]).toEqual(['too-many-requests', true, 4]);
  });
});
