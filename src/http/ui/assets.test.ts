import { expect, test } from 'bun:test';
import { bundleAssets } from './assets.ts';

/** The issue of the page allows so much, compressed, for style and scripts together. */
const MAX_BYTES = 60 * 1024;

test('style and scripts together are small, and the same each time', async () => {
  const { links, byName } = await bundleAssets();
  const sizes = [...byName.values()].map(({ name, gzipped }) => [name, gzipped.length] as const);
  console.log(sizes.map(([name, size]) => `${name}: ${(size / 1024).toFixed(1)} KiB compressed`).join(', '));
  expect(sizes.reduce((sum, [, size]) => sum + size, 0)).toBeLessThanOrEqual(MAX_BYTES);
  expect((await bundleAssets()).links).toEqual(links);
});
