import { hashSlot, NO_SLOT, type SlotHash } from '../journal/events.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Key, StoreReader } from '../storage/driver.ts';
import { CATALOG, noteKey, repositoryOfMarker, robotSlotKey, slotKey } from '../storage/paths.ts';
import type { ReplicationSource } from './interface.ts';
import { STORE_LOGS, type StoreLog, type WantedSlots } from './protocol.ts';

/** Logs of one request: up to 64 names of 255 characters would be too long for a URL. */
const GROUP = 16;

/** How one log compares with that of the source. */
export interface Verification {
  /** Name of the repository, or `notes`, or `robots`. */
  readonly log: string;
  /** `behind`: equal as far as it goes. */
  readonly kind: 'equal' | 'behind' | 'different';
  /** The last slot here; 0: none. */
  readonly here: number;
  /** Hash of that slot at the source; undefined if it has none with this number. */
  readonly there: SlotHash | undefined;
}

/**
 * Compares the last slot of every log with the same slot of the source. Each slot has the hash of the one before, so logs with the same
 * last slot are equal.
 * @throws SourceAway, SourceRefused; errors of the store
 */
export async function* verifyReplica(
  reader: StoreReader,
  source: Pick<ReplicationSource, 'slots' | 'storeLog' | 'repositories'>,
): AsyncGenerator<Verification> {
  for (const log of STORE_LOGS) yield await verifyStoreLog(log, reader, source);
  const here = new Set<RepositoryName>();
  let group: Head[] = [];
  for await (const { key } of reader.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo === undefined) continue;
    here.add(repo);
    group.push({ repo, ...(await headOf((seq) => slotKey(repo, seq), reader)) });
    if (group.length < GROUP) continue;
    yield* verifyGroup(group, source);
    group = [];
  }
  yield* verifyGroup(group, source);
  yield* verifyAbsent(here, source);
}

interface Head {
  readonly repo: RepositoryName;
  readonly seq: number;
  readonly hash: SlotHash;
}

async function* verifyGroup(
  group: readonly Head[],
  source: Pick<ReplicationSource, 'slots'>,
): AsyncGenerator<Verification> {
  if (group.length === 0) return;
  // From the last slot here on, which is part of the answer.
  const wanted: WantedSlots[] = group.map(({ repo, seq }) => ({ repo, after: Math.max(0, seq - 1) }));
  const { logs } = await source.slots(wanted);
  for (const { repo, seq, hash } of group) {
    const slots = logs.find(({ repository }) => repository === repo)?.slots ?? [];
    yield compared(repo, { seq, hash }, slots);
  }
}

async function verifyStoreLog(
  log: StoreLog,
  reader: StoreReader,
  source: Pick<ReplicationSource, 'storeLog'>,
): Promise<Verification> {
  const keyOf = { notes: noteKey, robots: robotSlotKey }[log];
  const head = await headOf(keyOf, reader);
  const { slots } = await source.storeLog(log, Math.max(0, head.seq - 1), 0);
  return compared(log, head, slots);
}

function compared(log: string, { seq, hash }: Omit<Head, 'repo'>, slots: readonly string[]): Verification {
  if (seq === 0) return { log, kind: slots.length === 0 ? 'equal' : 'behind', here: 0, there: undefined };
  const [same] = slots;
  const there = same === undefined ? undefined : hashSlot(new TextEncoder().encode(same));
  if (there !== hash) return { log, kind: 'different', here: seq, there };
  return { log, kind: slots.length === 1 ? 'equal' : 'behind', here: seq, there };
}

/** Logs that only the source has. */
async function* verifyAbsent(
  here: ReadonlySet<RepositoryName>,
  source: Pick<ReplicationSource, 'repositories'>,
): AsyncGenerator<Verification> {
  let after: RepositoryName | undefined;
  for (let more = true; more; ) {
    const page = await source.repositories(after);
    for (const repo of page.repositories) {
      if (!here.has(repo)) yield { log: repo, kind: 'behind', here: 0, there: undefined };
    }
    after = page.repositories[page.repositories.length - 1];
    more = page.more;
  }
}

async function headOf(
  keyOf: (seq: number) => Key,
  reader: StoreReader,
): Promise<{ readonly seq: number; readonly hash: SlotHash }> {
  const seq = await lastSlot(keyOf, reader);
  const bytes = seq === 0 ? undefined : await reader.read(keyOf(seq));
  return bytes === undefined ? { seq: 0, hash: NO_SLOT } : { seq, hash: hashSlot(bytes) };
}

/** Slots exist from 1 to the last one, so it is found by doubling, then halving. 0: there is none. */
export async function lastSlot(keyOf: (seq: number) => Key, reader: Pick<StoreReader, 'head'>): Promise<number> {
  const exists = async (seq: number): Promise<boolean> => (await reader.head(keyOf(seq))) !== undefined;
  let low = 0;
  let step = 1;
  while (await exists(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (await exists(middle)) low = middle;
    else high = middle;
  }
  return low;
}
