import { decodeTime } from 'ulid';
import type { Incarnation } from '../oci/names.ts';
import { DATA, incarnationOfDataKey } from '../storage/paths.ts';
import { shelfNameOf } from './live-set.ts';
import type { ScanPorts } from './ports.ts';
import type { Scan } from './scan.ts';

/** An object that no log has linked for the grace period. */
export interface Garbage {
  readonly inc: Incarnation;
  readonly size: number;
  /** `unlinked`: the last log that linked it has unlinked it. `never-linked`: its upload or push was never finished. */
  readonly reason: 'unlinked' | 'never-linked';
  /** When it was last unlinked or, if it never was linked, when its ULID was made; milliseconds. */
  readonly since: number;
}

/** Objects examined so far. */
export interface Examined {
  objects: number;
  bytes: number;
}

/**
 * Objects under data/ that no log links, in key order: those last unlinked longer ago than GC_GRACE, and those never linked whose
 * ULID is older than both GC_GRACE and twice UPLOAD_EXPIRY.
 */
export async function* findGarbage(
  { driver, grace, uploadExpiry, yieldToRequests }: ScanPorts,
  { live, startedAt }: Scan,
  examined: Examined,
): AsyncGenerator<Garbage> {
  const unlinkedBefore = startedAt - grace;
  const namedBefore = startedAt - Math.max(grace, 2 * uploadExpiry);
  let shelf = '';
  let known: ReadonlyMap<string, number> = new Map();
  for await (const { key, size } of driver.list(DATA)) {
    await yieldToRequests();
    const inc = incarnationOfDataKey(key);
    if (inc === undefined) continue;
    examined.objects++;
    examined.bytes += size;
    if (shelfNameOf(inc) !== shelf) {
      shelf = shelfNameOf(inc);
      known = await live.shelf(shelf);
    }
    const until = known.get(inc);
    const since = until ?? decodeTime(inc);
    if (until === undefined && since < namedBefore) yield { inc: copied(inc), size, reason: 'never-linked', since };
    if (until !== undefined && until < unlinkedBefore) yield { inc: copied(inc), size, reason: 'unlinked', since };
  }
}

const characters = Buffer.alloc(26);

/** A copy of the name. A slice would keep the whole key in memory, for up to 100,000 objects. */
function copied(inc: Incarnation): Incarnation {
  characters.write(inc, 'latin1');
  return characters.toString('latin1') as Incarnation;
}
