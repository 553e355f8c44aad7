// fsck --repair: lost content is linked to the bytes of another repository, and nothing is removed.
import { afterAll, expect, test } from 'bun:test';
import { rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { type Image, image, pushImage, randomBlob } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { eventsOf, flipByte, fsck, marina, OPERATOR_HERE, objectPath, slotPath } from './marina.ts';

afterAll(cleanUp);

const [HURT, WHOLE] = ['team/hurt', 'team/whole'];

/** The same image in both, with separate bytes: no hint tells the second push that the store has them. */
async function twice(server: Server, pushed: Image): Promise<void> {
  for (const repo of [HURT, WHOLE]) {
    await pushImage(server.url, repo, pushed, 'v1');
    rmSync(join(server.dataPath, 'digests'), { recursive: true });
  }
}

const digestOf = ({ descriptor }: { readonly descriptor: { readonly digest: string } }): string => descriptor.digest;

test('beside a running server lost, truncated or altered manifests and blobs are repaired, and can be pulled again', async () => {
  const server = await startServer({ STORAGE_PATH: temporaryFolder('repair'), CONTENT_CACHE: '0' });
  const { url, dataPath } = server;
  const pushed = image({ layers: [randomBlob(1_000), randomBlob(100_000)] });
  await twice(server, pushed);
  const [config, small, large] = pushed.blobs.map(digestOf);
  if (config === undefined || small === undefined || large === undefined) return expect.unreachable();
  rmSync(await objectPath(dataPath, HURT, digestOf(pushed)));
  rmSync(await objectPath(dataPath, HURT, config));
  truncateSync(await objectPath(dataPath, HURT, small), 10);
  flipByte(await objectPath(dataPath, HURT, large), 50_000);
  const before = (await eventsOf(dataPath, HURT)).length;

  const { code, lines, stderr } = await marina(dataPath, 'fsck', '--scrub', '--repair', '--json');
  expect([code, stderr]).toEqual([0, '']);
  const parsed = lines.map((line) => JSON.parse(line));
  const repairs = parsed.filter(({ type }) => type === 'repair');
  expect(repairs.map(({ outcome, repo, from, digest }) => [outcome, repo, from, digest]).sort()).toEqual(
    [digestOf(pushed), config, small, large].map((digest) => ['repaired', HURT, WHOLE, digest]).sort(),
  );
  expect(parsed.at(-1)).toMatchObject({ type: 'summary', faults: 4, repaired: 4 });

  const manifest = await fetch(`${url}/v2/${HURT}/manifests/v1`);
  expect(Buffer.compare(await manifest.bytes(), pushed.bytes)).toBe(0);
  for (const blob of pushed.blobs) {
    const answer = await fetch(`${url}/v2/${HURT}/blobs/${digestOf(blob)}`);
    expect(Buffer.compare(await answer.bytes(), blob.bytes)).toBe(0);
  }
  // Truncated and altered objects are no longer linked, but not deleted.
  expect(await fsck(dataPath, '--scrub')).toMatchObject({ code: 0, findings: [], summary: { kept: { count: 2 } } });
  const added = (await eventsOf(dataPath, HURT)).slice(before).map(({ event }) => [event.type, event.actor]);
  expect(added.sort()).toEqual([...Array(3).fill(['blob.linked', OPERATOR_HERE]), ['manifest.put', OPERATOR_HERE]]);
  const again = await marina(dataPath, 'fsck', '--repair');
  expect(again.stdout).toStartWith('no faults; 0 repaired, 0 left; ');
});

test('without a server: faults without a source, or that bytes cannot repair, are reported and remain', async () => {
  const dataPath = temporaryFolder('unrepaired');
  const server = await startServer({ STORAGE_PATH: dataPath });
  const [both, one] = [image(), image()];
  await twice(server, both);
  await twice(server, one);
  await pushImage(server.url, 'team/broken', one, 'v1');
  expect(await server.stop()).toBe(0);
  const layer = both.blobs.map(digestOf).at(-1) ?? '';
  rmSync(await objectPath(dataPath, HURT, layer));
  // With the right length, so that only its digest shows the fault.
  flipByte(await objectPath(dataPath, WHOLE, layer), 0);
  rmSync(await objectPath(dataPath, HURT, digestOf(one)));
  flipByte(slotPath(dataPath, 'team/broken', 2), 0);

  const { code, lines, stderr } = await marina(dataPath, 'fsck', '--repair');
  expect([code, stderr]).toEqual([1, '']);
  const [first, second, last, ...more] = lines.filter((line) => line.includes('repaired'));
  expect(more).toEqual([]);
  expect(first).toStartWith(`unrepaired  ${HURT} ${layer}: no other repository has undamaged bytes of this digest`);
  expect(second).toStartWith(`repaired    ${HURT} ${digestOf(one)}: linked to the bytes that ${WHOLE} links (object `);
  expect(last).toStartWith('3 faults, 1 warning; 1 repaired, 2 left; ');
  const { faults } = await fsck(dataPath);
  expect(faults.map(({ problem, repo }) => [problem, repo]).sort()).toEqual([
    ['object-missing', HURT],
    ['slot-unusable', 'team/broken'],
  ]);
});
