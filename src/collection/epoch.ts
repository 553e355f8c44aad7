import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { decodeList, encodeList } from '../registry/condemned.ts';
import type { StoreReader } from '../storage/driver.ts';
import { condemnedKey, dataKey, EPOCHS, epochOfCondemnedKey, finalKey } from '../storage/paths.ts';
import { forEachConcurrently } from './concurrently.ts';
import { fenceLog } from './fence.ts';
import { heldIn } from './held.ts';
import { activeHolds, type Hold } from './holds.ts';
import { paced } from './pace.ts';
import type { CollectionPorts } from './ports.ts';
import { type LogHead, markedRepositories } from './scan.ts';

/**
 * Logs fenced at the same time. Each waits for its own writes, which are quick in a folder, and takes thread and disk time from
 * requests. A log that has to be folded first takes memory.
 */
const FENCE_CONCURRENCY = { folder: 8, bucket: 32, folded: 4 };

/** A round of physical collection in progress, begun by this leader or another. */
export interface Epoch {
  readonly id: Incarnation;
  /** Sorted. */
  readonly condemned: readonly Incarnation[];
  /** The head of each log when the candidates were chosen; unknown for another leader's epoch. */
  readonly heads?: ReadonlyMap<RepositoryName, LogHead>;
  /** The holds that were respected when the candidates were chosen; unknown for another leader's epoch. */
  readonly holds?: readonly Hold[];
  /** Milliseconds; everything unlinked before this was a candidate. */
  readonly forget?: number;
  /** The same objects with their sizes, if known, in key order. */
  readonly found?: readonly Found[];
}

export interface Found {
  readonly inc: Incarnation;
  readonly size: number;
}

/** The outcome of an epoch. */
export interface EpochResult {
  /** Objects that were linked again before the fences. */
  readonly spared: number;
  readonly freed: number;
  readonly freedBytes: number;
  /** Deletes that failed; the epoch stays open. */
  readonly failures: readonly { readonly inc: Incarnation; readonly cause: unknown }[];
  /** A log that cannot be folded ended the epoch: nothing was deleted. */
  readonly broken?: RegistryError;
}

/** Step 2: after this, no log gets a new link to a condemned object. */
export async function openEpoch(epoch: Epoch, { driver }: CollectionPorts): Promise<void> {
  const result = await driver.create(condemnedKey(epoch.id), encodeList(epoch.condemned));
  if (result === 'taken') throw new Error(`the epoch ${epoch.id} exists already, though its id is new`);
}

/** Epochs of any leader that have begun and not ended. */
export async function openEpochs({ driver }: CollectionPorts): Promise<Epoch[]> {
  const ids: Incarnation[] = [];
  for await (const { key } of driver.list(EPOCHS)) {
    const id = epochOfCondemnedKey(key);
    if (id !== undefined) ids.push(id);
  }
  const open: Epoch[] = [];
  for (const id of ids) {
    const bytes = await driver.read(condemnedKey(id));
    // Gone: another leader has just ended it.
    if (bytes !== undefined) open.push({ id, condemned: decodeList(bytes) });
  }
  return open;
}

/**
 * Steps 3 to 6, from whatever step the epoch has reached. Any number of leaders may do this at once and stop at any point: only the
 * objects in `final` are deleted, and `final` is created once and never removed.
 */
export async function finishEpoch(epoch: Epoch, ports: CollectionPorts, signal: AbortSignal): Promise<EpochResult> {
  const { driver } = ports;
  let broken: RegistryError | undefined;
  let final = await readFinal(epoch, driver);
  if (final === undefined) {
    const decided = await decideFinal(epoch, ports, signal);
    broken = decided.broken;
    const won = (await driver.create(finalKey(epoch.id), encodeList(decided.final))) === 'created';
    // Taken: another leader was faster, and its list counts.
    final = won ? decided.final : await readFinal(epoch, driver);
    if (final === undefined) throw new Error(`the epoch ${epoch.id} has a final list that cannot be read`);
  }
  const deleted = await deleteAll(final, epoch, ports, signal);
  const ended = {
    ...deleted,
    spared: epoch.condemned.length - final.length,
    ...(broken === undefined ? {} : { broken }),
  };
  if (deleted.failures.length > 0) return ended;
  const [failure] = await driver.delete([condemnedKey(epoch.id)]);
  if (failure !== undefined) throw new Error(`the epoch ${epoch.id} could not be ended`, { cause: failure.cause });
  return ended;
}

async function readFinal({ id }: Epoch, driver: StoreReader): Promise<readonly Incarnation[] | undefined> {
  const bytes = await driver.read(finalKey(id));
  return bytes === undefined ? undefined : decodeList(bytes);
}

/**
 * Step 3, and the list that step 4 writes. Markers are listed after `condemned` exists, so a log created later links nothing in it.
 */
async function decideFinal(
  { id, condemned, heads, holds, forget }: Epoch,
  ports: CollectionPorts,
  signal: AbortSignal,
): Promise<{ final: readonly Incarnation[]; broken?: RegistryError }> {
  const all = new Set(condemned);
  const spared = new Set<Incarnation>();
  const fence = {
    epoch: id,
    forget,
    isCondemned: (inc: Incarnation) => all.has(inc),
    spare: (inc: Incarnation) => void spared.add(inc),
  };
  try {
    const whenScanned = ports.driver.kind === 'filesystem' ? FENCE_CONCURRENCY.folder : FENCE_CONCURRENCY.bucket;
    const concurrency = heads === undefined ? FENCE_CONCURRENCY.folded : whenScanned;
    await forEachConcurrently(markedRepositories(ports.driver), concurrency, async (repo) => {
      signal.throwIfAborted();
      await fenceLog(repo, fence, heads?.get(repo), ports);
      await ports.yieldToRequests();
    });
    await spareHeld(all, spared, holds ?? [], ports);
  } catch (error) {
    // The final list is empty, not missing: another leader that got past this log must not delete after the epoch has ended.
    if (error instanceof RegistryError && error.kind === 'log-broken') return { final: [], broken: error };
    throw error;
  }
  return { final: condemned.filter((inc) => !spared.has(inc)) };
}

/**
 * Spares what holds keep that were created since the candidates were chosen. They are read after `condemned` was created: who creates a
 * hold later finds `condemned`, and waits for the end of this epoch.
 */
async function spareHeld(
  condemned: ReadonlySet<Incarnation>,
  spared: Set<Incarnation>,
  respected: readonly Hold[],
  ports: CollectionPorts,
): Promise<void> {
  const ids = new Set(respected.map(({ id }) => id));
  const holds = (await activeHolds(ports.driver, ports.now())).filter(({ id }) => !ids.has(id));
  const reader = paced(ports.driver, ports.yieldToRequests);
  for (const repo of new Set(holds.flatMap(({ logs }) => [...logs.keys()]))) {
    for await (const inc of heldIn(repo, holds, reader)) if (condemned.has(inc)) spared.add(inc);
  }
}

/** Step 5, in key order: durable deletes in one folder share its sync. */
async function deleteAll(
  final: readonly Incarnation[],
  { found }: Epoch,
  { driver, deleteBatch, deleteDurably, rate, sleep, yieldToRequests }: CollectionPorts,
  signal: AbortSignal,
): Promise<Omit<EpochResult, 'spared'>> {
  const failures: { inc: Incarnation; cause: unknown }[] = [];
  let [freed, freedBytes] = [0, 0];
  const byShelf = found === undefined ? sortedByShelf(final) : foundOf(final, found);
  // With a limit, no batch is larger than one second's share.
  const batch = rate > 0 ? Math.min(rate, deleteBatch) : deleteBatch;
  for (let from = 0; from < byShelf.length; from += batch) {
    signal.throwIfAborted();
    const some = byShelf.slice(from, from + batch);
    const keys = some.map(({ inc }) => dataKey(inc));
    const bytes: (number | undefined)[] = [];
    for (const [index, { size }] of some.entries()) bytes.push(size ?? (await driver.head(keys[index] ?? ''))?.size);
    const failed = await driver.delete(keys, { durable: deleteDurably });
    const refused = new Map(failed.map(({ key, cause }) => [key, cause]));
    for (const [index, { inc }] of some.entries()) {
      const [key, size] = [keys[index] ?? '', bytes[index]];
      if (refused.has(key)) failures.push({ inc, cause: refused.get(key) });
      else if (size !== undefined) {
        freed++;
        freedBytes += size;
      }
    }
    if (rate > 0) await sleep((1000 * some.length) / rate);
    await yieldToRequests();
  }
  return { freed, freedBytes, failures };
}

/** In key order, without sizes. */
function sortedByShelf(incs: readonly Incarnation[]): { inc: Incarnation; size?: number }[] {
  return [...incs].sort((one, other) => (dataKey(one) < dataKey(other) ? -1 : 1)).map((inc) => ({ inc }));
}

/** The objects of the final list with their sizes. Usually nothing was spared, so this is `found` itself. */
function foundOf(final: readonly Incarnation[], found: readonly Found[]): readonly Found[] {
  if (final.length === found.length) return found;
  const left = new Set(final);
  return found.filter(({ inc }) => left.has(inc));
}
