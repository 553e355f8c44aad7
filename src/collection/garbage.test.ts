import { afterAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { cleanUp, projectRoot, temporaryFolder } from '../../test/support/server.ts';

afterAll(cleanUp);

/** Of the whole process, the runtime with it. */
const MAX_MEMORY = 300 * 1024 * 1024;

test('two million objects are scanned in bounded memory', async () => {
  const folder = temporaryFolder('many');
  const bun = join(projectRoot, 'node_modules', '.bin', 'bun');
  const process = Bun.spawn([bun, 'test/support/many-objects.ts', folder], { cwd: projectRoot, stdout: 'pipe' });
  const said = await new Response(process.stdout).text();
  expect(await process.exited).toBe(0);
  // 1,954 on each of 1,024 shelves; every tenth is garbage, half of it was linked once.
  const { peak, ...found } = JSON.parse(said);
  expect(found).toEqual({ examined: 2_000_896, unlinked: 100_352, 'never-linked': 100_352 });
  expect(peak).toBeLessThan(MAX_MEMORY);
  expect(readdirSync(folder)).toEqual([]);
});
