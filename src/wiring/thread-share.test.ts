import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { readConfig } from '../config.ts';
import { shareOf } from './thread-share.ts';

const MIB = 1024 * 1024;
const defaults = readConfig({});

test('one thread has all memory', () => {
  expect(shareOf(defaults, 1)).toEqual({ ...defaults, threadCount: 1, waitingManifests: 32 });
});

test('threads have no more memory together than the settings allow, or what each needs at least', () => {
  const settings = fc.record({
    viewMemory: fc.integer({ min: 0, max: 4_096 * MIB }),
    contentCache: fc.integer({ min: 0, max: 4_096 * MIB }),
    manifestBuffer: fc.integer({ min: 4 * MIB, max: 4_096 * MIB }),
    uploadBuffer: fc.integer({ min: 0, max: 4_096 * MIB }),
  });
  const least = { viewMemory: 8 * MIB, contentCache: MIB, manifestBuffer: 4 * MIB, uploadBuffer: 32 * MIB };
  fc.assert(
    fc.property(settings, fc.integer({ min: 1, max: 256 }), (some, threads) => {
      const share = shareOf({ ...defaults, ...some }, threads);
      for (const name of ['viewMemory', 'contentCache', 'manifestBuffer', 'uploadBuffer'] as const) {
        expect(share[name] * threads).toBeLessThanOrEqual(Math.max(some[name], threads * least[name]));
        expect(share[name]).toBeGreaterThanOrEqual(Math.min(some[name], least[name]));
        expect(share[name]).toBeLessThanOrEqual(some[name]);
      }
      expect(share.manifestBuffer).toBeGreaterThanOrEqual(4 * MIB);
    }),
  );
});

test('with the default settings, up to eight threads have exactly as much memory as one', () => {
  for (const threads of [2, 4, 8]) {
    const share = shareOf(defaults, threads);
    for (const name of ['viewMemory', 'contentCache', 'manifestBuffer', 'uploadBuffer'] as const) {
      expect(share[name] * threads).toBe(defaults[name]);
    }
  }
});
