import { decodeTime } from 'ulid';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { dataKey, EPOCHS } from '../storage/paths.ts';

/** A line of a condemned list: a ULID and a newline. */
const LINE_BYTES = 27;

/**
 * The linker's rule (DESIGN 8): an incarnation older than half the grace may only be linked when no open round of collection
 * names it, and then a head finds it at its length. To be asked while holding the state that the link is decided on.
 */
export async function mayLink(
  driver: StoreReader,
  inc: Incarnation,
  size: number,
  times: { readonly now: number; readonly grace: number },
): Promise<boolean> {
  if (times.now - decodeTime(inc) <= times.grace / 2) return true;
  for await (const { key } of driver.list(EPOCHS)) {
    if (key.endsWith('/condemned') && names(await driver.read(key), inc)) return false;
  }
  return (await driver.head(dataKey(inc)))?.size === size;
}

/** Incarnations that are looked for together. */
const ASKED_TOGETHER = 16;

/**
 * The linker's rule for many at once, the young ones too: those that no open round of collection names and that are there at their
 * length. The lists are read before the first look at the bytes.
 */
export async function linkable(
  driver: StoreReader,
  asked: readonly { readonly inc: Incarnation; readonly size: number }[],
): Promise<ReadonlySet<Incarnation>> {
  const left = new Map(asked.map(({ inc, size }) => [inc, size]));
  for await (const { key } of left.size === 0 ? [] : driver.list(EPOCHS)) {
    if (!key.endsWith('/condemned')) continue;
    const list = await driver.read(key);
    for (const inc of [...left.keys()]) if (names(list, inc)) left.delete(inc);
  }
  const open = [...left];
  const there = new Set<Incarnation>();
  for (let from = 0; from < open.length; from += ASKED_TOGETHER) {
    const some = open.slice(from, from + ASKED_TOGETHER);
    const found = await Promise.all(some.map(([inc]) => driver.head(dataKey(inc))));
    for (const [index, [inc, size]] of some.entries()) if (found[index]?.size === size) there.add(inc);
  }
  return there;
}

/** Whether a sorted list of fixed-width lines has this one. A list that is gone meanwhile has ended its round. */
function names(list: Uint8Array | undefined, inc: Incarnation): boolean {
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

/** @param sorted in ascending order, each once */
export function encodeList(sorted: readonly Incarnation[]): Uint8Array {
  const lines = Buffer.alloc(sorted.length * LINE_BYTES, '\n');
  for (const [index, inc] of sorted.entries()) lines.write(inc, index * LINE_BYTES, 'latin1');
  return lines;
}

/** @throws Error for bytes that are no such list: nothing may be deleted on the word of a damaged one */
export function decodeList(bytes: Uint8Array): Incarnation[] {
  const lines = new TextDecoder().decode(bytes).split('\n');
  if (lines.pop() !== '') throw new Error('a list of incarnations has been cut');
  return lines.map((line) => {
    const inc = parseIncarnation(line);
    if (inc === undefined) throw new Error(`a list of incarnations holds ${JSON.stringify(line)}`);
    return inc;
  });
}
