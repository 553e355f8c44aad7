import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, readlinkSync, rmSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RegistryError } from '../oci/errors.ts';
import { layOutParts, multipartStream } from './multipart.ts';
import { StoredFile } from './stored-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'marina-stored-file-'));
afterAll(() => rmSync(folder, { recursive: true }));

const SIZE = 1_000_000;
const bytes = Buffer.alloc(SIZE);
for (let at = 0; at < SIZE; at += 4) bytes.writeUInt32LE(Math.imul(at, 2654435761) >>> 0, at);

function stored(name: string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

interface Reader {
  read(): Promise<{ readonly done: boolean }>;
  cancel(): Promise<void>;
}

/** The number of descriptors of a file that this process has open. */
function held(path: string): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith(path);
    } catch {
      // This was the descriptor of the listing itself.
      return false;
    }
  }).length;
}

function kindOf(open: () => unknown): string {
  try {
    open();
    return 'none';
  } catch (error) {
    return error instanceof RegistryError ? error.kind : String(error);
  }
}

describe('a stored file', () => {
  test('serves several ranges in turn, even after its name was removed', async () => {
    const path = stored('several');
    const file = StoredFile.open(path, SIZE);
    unlinkSync(path);
    for (const [start, end] of [
      [0, SIZE],
      [999_999, SIZE],
      [17, 300_017],
    ] as const) {
      const got = await new Response(file.stream({ start, end })).bytes();
      expect(Buffer.compare(got, bytes.subarray(start, end))).toBe(0);
    }
    file.close();
    file.close();
    expect(held(path)).toBe(0);
  });

  test('that is missing or has another length is not opened, and no descriptor leaks', () => {
    const path = stored('other');
    expect(kindOf(() => StoredFile.open(join(folder, 'none'), SIZE))).toBe('unavailable');
    expect(kindOf(() => StoredFile.open(path, SIZE - 1))).toBe('unavailable');
    expect(held(path)).toBe(0);
  });

  test('that is shorter than announced fails the read', async () => {
    const path = stored('cut');
    const file = StoredFile.open(path, SIZE);
    truncateSync(path, 10);
    const failure: unknown = await new Response(file.stream({ start: 0, end: SIZE })).bytes().catch(String);
    expect(failure).toContain('ends at 10');
    file.close();
  });

  test.each([
    ['read to its end', drain, false],
    ['cancelled', (reader: Reader): Promise<void> => reader.cancel(), false],
    ['failed', async (reader: Reader): Promise<void> => await expect(drain(reader)).rejects.toThrow('ends at'), true],
  ] as const)('of a response in parts is closed once that is %s', async (name, end, fails) => {
    const path = stored(`parts of ${name}`);
    const file = StoredFile.open(path, SIZE);
    if (fails) truncateSync(path, 10);
    const ranges = [
      { start: 5, end: 400_000 },
      { start: 500_000, end: 500_001 },
    ];
    let ended = 0;
    const body = multipartStream(
      layOutParts(ranges, SIZE, 'edge'),
      (range) => file.stream(range),
      () => {
        ended++;
        file.close();
      },
    );
    const reader = body.getReader();
    await reader.read();
    await end(reader);
    expect([held(path), ended]).toEqual([0, 1]);
  });
});

async function drain(reader: Reader): Promise<void> {
  while (!(await reader.read()).done);
}
