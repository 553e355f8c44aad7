// Every cell of the matrix against one process on a folder.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { cleanUp, startServer } from '../support/server.ts';
import { checkRow, KINDS, openWorld, type World } from './matrix.ts';
import { writeAccessFiles } from './world.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

let world: World;
beforeAll(async () => {
  const files = writeAccessFiles();
  world = await openWorld(files, [await startServer(files.env)]);
});

test.each(KINDS)('%s follows the rules for every caller and every repository', async (kind) => {
  const { cells, wrong } = await checkRow(world, kind);
  expect(wrong).toEqual([]);
  expect(cells).toBeGreaterThanOrEqual(12 * 2 * 6);
});
