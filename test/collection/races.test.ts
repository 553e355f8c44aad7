// Clients, users and collectors on one store, in random orders in which each may be overtaken anywhere and for long.
// COLLECTION_SEEDS=20000 runs more seeds; COLLECTION_SEED=<name> runs one, and prints its steps if it fails.
import { expect, test } from 'bun:test';
import { playSeed } from './world.ts';

const { COLLECTION_SEED, COLLECTION_SEEDS = '200' } = process.env;

test('no live byte is lost under any interleaving, and all garbage is collected in the end', async () => {
  const seeds =
    COLLECTION_SEED === undefined
      ? Array.from({ length: Number(COLLECTION_SEEDS) }, (_, index) => `seed ${index}`)
      : [COLLECTION_SEED];
  for (const seed of seeds) expect(await playSeed(seed), seed).toEqual([]);
}, 3_600_000);
