import { decodeTime } from 'ulid';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey, EPOCHS } from '../storage/paths.ts';

/** A line of a condemned list: a ULID and a newline. */
const LINE_BYTES = 27;

/**
 * The linker's rule (DESIGN 8): an incarnation older than half the grace period may only be linked if no open collection round
 * has condemned it and a HEAD then finds it with its expected length. Call it inside the decision that links the incarnation.
 */
export async function mayLink(
  driver: StoreReader,
  inc: Incarnation,
  size: number,
  times: { readonly now: number; readonly grace: number },
): Promise<boolean> {
  if (times.now - decodeTime(inc) <= times.grace / 2) return true;
  for await (const { key } of driver.list(EPOCHS)) {
    if (key.endsWith('/condemned') && listContains(await driver.read(key), inc)) return false;
  }
  return (await driver.head(dataKey(inc)))?.size === size;
}

/** HEAD requests in flight at once. */
const HEAD_CONCURRENCY = 16;

/**
 * The linker's rule for many incarnations, regardless of their age: returns those that no open collection round has condemned and
 * that are stored with their expected length. All condemned lists are read before the first HEAD.
 */
export async function linkable(
  driver: StoreReader,
  candidates: readonly { readonly inc: Incarnation; readonly size: number }[],
): Promise<ReadonlySet<Incarnation>> {
  const remaining = new Map(candidates.map(({ inc, size }) => [inc, size]));
  for await (const { key } of remaining.size === 0 ? [] : driver.list(EPOCHS)) {
    if (!key.endsWith('/condemned')) continue;
    const list = await driver.read(key);
    for (const inc of [...remaining.keys()]) if (listContains(list, inc)) remaining.delete(inc);
  }
  const uncondemned = [...remaining];
  const stored = new Set<Incarnation>();
  for (let from = 0; from < uncondemned.length; from += HEAD_CONCURRENCY) {
    const batch = uncondemned.slice(from, from + HEAD_CONCURRENCY);
    const found = await Promise.all(batch.map(([inc]) => driver.head(dataKey(inc))));
    for (const [index, [inc, size]] of batch.entries()) if (found[index]?.size === size) stored.add(inc);
  }
  return stored;
}

/** Binary search in a sorted list of fixed-width lines. A list that has disappeared belongs to a round that has ended. */
export function listContains(list: Uint8Array | undefined, inc: Incarnation): boolean {
  if (list === undefined) return false;
  const text = new TextDecoder();
  let low = 0;
  let high = Math.floor(list.length / LINE_BYTES);
  while (low < high) {
    const middle = (low + high) >>> 1;
    const line = text.decode(list.subarray(middle * LINE_BYTES, (middle + 1) * LINE_BYTES - 1));
    if (line === inc) return true;
    if (line < inc) low = middle + 1;
    else high = middle;
  }
  return false;
}

/** @param sorted in ascending order, without duplicates */
export function encodeList(sorted: readonly Incarnation[]): Uint8Array {
  const lines = Buffer.alloc(sorted.length * LINE_BYTES, '\n');
  for (const [index, inc] of sorted.entries()) lines.write(inc, index * LINE_BYTES, 'latin1');
  return lines;
}

/** @throws Error if the bytes are not a complete list: nothing may be deleted because of a damaged one */
export function decodeList(bytes: Uint8Array): Incarnation[] {
  const lines = new TextDecoder().decode(bytes).split('\n');
  if (lines.pop() !== '') throw new Error('a list of incarnations is truncated');
  return lines.map((line) => {
    const inc = parseIncarnation(line);
    if (inc === undefined) throw new Error(`a list of incarnations has an invalid line: ${JSON.stringify(line)}`);
    return inc;
  });
}
