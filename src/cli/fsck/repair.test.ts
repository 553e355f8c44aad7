import { expect, test } from 'bun:test';
import { A, ACTOR, B, C, GRACE, type OpenRegistry, openRegistry, text } from '../../../test/support/registry.ts';
import { digestOf } from '../../oci/digest.ts';
import { restore } from '../../registry/restoration.ts';
import { dataKey, HINTS, slotKey } from '../../storage/paths.ts';
import type { Finding } from './findings.ts';
import { type Repair, Repairs } from './repair.ts';

const bytes = text('the bytes of a blob');
const digest = digestOf('sha256', bytes);

/** The same blob in A and B, each with its own object. The object of A is lost. */
async function lost() {
  const open = openRegistry();
  for (const repo of [A, B]) {
    await open.push(repo, bytes);
    await open.driver.deleteAll(HINTS);
  }
  const [damaged, whole] = [await open.linkOf(A, digest), await open.linkOf(B, digest)];
  if (damaged === undefined || whole === undefined || damaged === whole) return expect.unreachable();
  await open.driver.delete([dataKey(damaged)]);
  const finding: Finding = {
    ...{
      severity: 'fault',
      problem: 'object-missing',
      repo: A,
      digest,
      inc: damaged,
      message: 'its object is missing',
    },
  };
  return { ...open, damaged, whole, finding };
}

async function repair(
  open: OpenRegistry,
  ...findings: readonly Finding[]
): Promise<{ mended: number; said: readonly Repair[] }> {
  const repairs = new Repairs();
  for (const finding of findings) repairs.note(finding);
  const said: Repair[] = [];
  const mended = await repairs.run({
    reader: open.driver,
    restore: (repo, wanted) => restore(repo, wanted, 'operator', open),
    report: async (each) => {
      said.push(each);
    },
  });
  return { mended, said };
}

test('bytes of another repository are linked, every repaired fault is counted, and the log records their origin', async () => {
  const open = await lost();
  const { mended, said } = await repair(open, open.finding, open.finding);
  expect(mended).toBe(2);
  expect(said).toEqual([expect.objectContaining({ outcome: 'repaired', repo: A, digest, from: B, with: open.whole })]);
  expect(await open.linkOf(A, digest)).toBe(open.whole);
  const { seq } = await open.projection.newest(A);
  expect(new TextDecoder().decode(await open.driver.read(slotKey(A, seq)))).toContain(`"from":"${B}"`);
});

test('a blob that a manifest needs and its repository lacks is linked', async () => {
  const open = await lost();
  const manifest = digestOf('sha256', text('a manifest'));
  const { inc: _, ...place } = open.finding;
  const { mended } = await repair(open, { ...place, problem: 'blob-missing', repo: C, digest: manifest, blob: digest });
  expect([mended, await open.linkOf(C, digest)]).toEqual([1, open.whole]);
});

test.each<[string, (open: Awaited<ReturnType<typeof lost>>) => Promise<unknown>]>([
  ['have another digest', ({ driver, whole }) => driver.put(dataKey(whole), text('the bytes of a blub'))],
  ['have another length', ({ driver, whole }) => driver.put(dataKey(whole), text('cut'))],
  ['are gone', ({ driver, whole }) => driver.delete([dataKey(whole)])],
  ['are unlinked', ({ registry }) => registry.blobs.delete(B, digest, ACTOR)],
  ['are linked by a log that is broken', ({ driver }) => driver.put(slotKey(B, 1), text('{'))],
  [
    'are being freed',
    async ({ clock, condemn, whole }) => {
      clock.advance(GRACE);
      await condemn(whole);
    },
  ],
])('bytes that %s mend nothing, and nothing is written', async (_, spoil) => {
  const open = await lost();
  await spoil(open);
  const before = await open.projection.newest(A);
  const { mended, said } = await repair(open, open.finding);
  expect([mended, said.map(({ outcome }) => outcome)]).toEqual([0, ['unrepaired']]);
  expect(await open.projection.newest(A)).toEqual(before);
});

test('bytes condemned between the check and the link are refused, with a message', async () => {
  const open = await lost();
  open.clock.advance(GRACE);
  const submit = open.projection.submit.bind(open.projection);
  open.projection.submit = async (repo, command) => {
    await open.condemn(open.whole);
    return await submit(repo, command);
  };
  const { mended, said } = await repair(open, open.finding);
  expect([mended, said[0]?.message]).toEqual([0, expect.stringContaining('are being freed now')]);
  expect(await open.linkOf(A, digest)).toBe(open.damaged);
});

test('faults that were repaired or deleted in the meantime do not count; faults that bytes cannot repair are skipped', async () => {
  const open = await lost();
  await open.push(A, bytes);
  const fresh = await open.linkOf(A, digest);
  expect(await repair(open, open.finding)).toMatchObject({ mended: 1, said: [{ outcome: 'repaired' }] });
  expect(await open.linkOf(A, digest)).toBe(fresh);
  const broken: Finding = { severity: 'fault', problem: 'chain-broken', repo: A, slot: 2, message: '' };
  expect(await repair(open, broken)).toEqual({ mended: 0, said: [] });
});
