// Sends every row of the table to one server: each is refused as expected, in time, and leaves no trace.
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { expectStatus, image, pushImage } from '../support/oci.ts';
import { cleanUp, projectRoot } from '../support/server.ts';
import { sendRow } from './judge.ts';
import { bodyRows } from './rows/bodies.ts';
import { manifestRows } from './rows/manifests.ts';
import { methodRows } from './rows/methods.ts';
import { nameRows } from './rows/names.ts';
import { pageRows } from './rows/pages.ts';
import { pathRows } from './rows/paths.ts';
import { protocolRows } from './rows/protocol.ts';
import { rangeRows } from './rows/ranges.ts';
import { referenceRows } from './rows/references.ts';
import { uploadRows } from './rows/uploads.ts';
import { expectUnchanged, openSite, type Site, settled, treeOf } from './site.ts';

const ROWS = [
  ...nameRows,
  ...referenceRows,
  ...rangeRows,
  ...manifestRows,
  ...bodyRows,
  ...pathRows,
  ...pageRows,
  ...methodRows,
  ...protocolRows,
  ...uploadRows,
];

let site: Site;
/** The content of the disk after the previous row, so that each row is blamed only for its own traces. */
let before: ReadonlyMap<string, string>;

beforeAll(async () => {
  site = await openSite();
  before = await settled(site);
});
afterAll(cleanUp);

test('the names in the table are unique', () => {
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
});

test.each(ROWS.map((row) => [row.name, row] as const))('%s', async (_, row) => {
  await sendRow(site, row);
  try {
    await expectUnchanged(site, before);
  } finally {
    before = treeOf(site.server.dataPath);
  }
});

test('after all rows an image can be pushed and pulled, and no request caused an internal error', async () => {
  const pushed = image();
  await pushImage(site.server.url, site.repo, pushed, 'after');
  for (const [tag, { bytes, blobs }] of [['kept', site.image] as const, ['after', pushed] as const]) {
    expect((await expectStatus(200, `${site.server.url}/v2/${site.repo}/manifests/${tag}`)).bytes).toEqual(bytes);
    for (const blob of blobs) {
      const served = await expectStatus(200, `${site.server.url}/v2/${site.repo}/blobs/${blob.descriptor.digest}`);
      expect(served.bytes).toEqual(blob.bytes);
    }
  }
  expect(site.server.logs()).not.toContain('"level":50');
  expect(site.server.logs()).not.toContain(`${projectRoot}/src`);
});
