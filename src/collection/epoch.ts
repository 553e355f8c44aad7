import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { decodeList, encodeList } from '../registry/condemned.ts';
import type { StoreReader } from '../storage/driver.ts';
import { condemnedKey, dataKey, EPOCHS, epochOfCondemnedKey, finalKey } from '../storage/paths.ts';
import { fenceLog } from './fence.ts';
import type { CollectionPorts } from './ports.ts';
import { type LogHead, markedRepositories } from './scan.ts';
import { forEachTogether } from './together.ts';

/**
 * Logs that are fenced together: each waits for its own writes, which a folder has done soon, and each takes its part of the thread
 * and of the disk from requests. Those that must be folded for it take memory.
 */
const TOGETHER = { inFolder: 8, inBucket: 32, folded: 4 };

/** One round of physical collection that is under way, begun by this leader or by another one. */
export interface Epoch {
  readonly id: Incarnation;
  /** Sorted. */
  readonly condemned: readonly Incarnation[];
  /** How far each log was folded when the candidates were chosen; of other leaders' epochs nobody knows. */
  readonly heads?: ReadonlyMap<RepositoryName, LogHead>;
  /** Milliseconds; all that was unlinked before it was a candidate. */
  readonly forget?: number;
  /** The same objects with their bytes, where they are known, in the order of their keys. */
  readonly found?: readonly Found[];
}

export interface Found {
  readonly inc: Incarnation;
  readonly size: number;
}

/** What came of it. */
export interface EpochResult {
  /** Objects that were linked again, or whose repository could not be fenced. */
  readonly spared: number;
  readonly freed: number;
  readonly freedBytes: number;
  /** Deletes that the store refused; the epoch stays open. */
  readonly failures: readonly { readonly inc: Incarnation; readonly cause: unknown }[];
  /** A log that cannot be folded ended the epoch: nothing was deleted. */
  readonly broken?: RegistryError;
}

/** Step 2: from now on nobody links what is condemned and was not linked before. */
export async function openEpoch(epoch: Epoch, { driver }: CollectionPorts): Promise<void> {
  const result = await driver.create(condemnedKey(epoch.id), encodeList(epoch.condemned));
  if (result === 'taken') throw new Error(`the epoch ${epoch.id} is there already, though its name is new`);
}

/** Epochs that were begun and not ended, by whomever. */
export async function openEpochs({ driver }: CollectionPorts): Promise<Epoch[]> {
  const ids: Incarnation[] = [];
  for await (const { key } of driver.list(EPOCHS)) {
    const id = epochOfCondemnedKey(key);
    if (id !== undefined) ids.push(id);
  }
  const open: Epoch[] = [];
  for (const id of ids) {
    const bytes = await driver.read(condemnedKey(id));
    // Gone: its leader has ended it meanwhile.
    if (bytes !== undefined) open.push({ id, condemned: decodeList(bytes) });
  }
  return open;
}

/**
 * Steps 3 to 6, from wherever the epoch is. Any number of leaders may do this at once, or stop anywhere: what is deleted is what
 * `final` says, which is created once and never removed.
 */
export async function finishEpoch(epoch: Epoch, ports: CollectionPorts, signal: AbortSignal): Promise<EpochResult> {
  const { driver } = ports;
  let broken: RegistryError | undefined;
  let final = await readFinal(epoch, driver);
  if (final === undefined) {
    const decided = await decideFinal(epoch, ports, signal);
    broken = decided.broken;
    const isOwn = (await driver.create(finalKey(epoch.id), encodeList(decided.final))) === 'created';
    // Taken: another leader was faster, and its list is the one that counts.
    final = isOwn ? decided.final : await readFinal(epoch, driver);
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

/** Step 3, and what step 4 writes. The markers are listed after `condemned` is there: a log that comes later links nothing of it. */
async function decideFinal(
  { id, condemned, heads, forget }: Epoch,
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
    const known = ports.driver.kind === 'filesystem' ? TOGETHER.inFolder : TOGETHER.inBucket;
    const together = heads === undefined ? TOGETHER.folded : known;
    await forEachTogether(markedRepositories(ports.driver), together, async (repo) => {
      signal.throwIfAborted();
      await fenceLog(repo, fence, heads?.get(repo), ports);
      await ports.breathe();
    });
  } catch (error) {
    // An empty final list, and not none: a leader that got past this log must not delete after the epoch has ended.
    if (error instanceof RegistryError && error.kind === 'log-broken') return { final: [], broken: error };
    throw error;
  }
  return { final: condemned.filter((inc) => !spared.has(inc)) };
}

/** Step 5, shelf by shelf: where deletes are made durable, that is done once for all that lie in one folder. */
async function deleteAll(
  final: readonly Incarnation[],
  { found }: Epoch,
  { driver, deleteTogether, deleteDurably, rate, sleep, breathe }: CollectionPorts,
  signal: AbortSignal,
): Promise<Omit<EpochResult, 'spared'>> {
  const failures: { inc: Incarnation; cause: unknown }[] = [];
  let [freed, freedBytes] = [0, 0];
  const byShelf = found === undefined ? sortedByShelf(final) : foundOf(final, found);
  // With a limit, no more at once than a second may take.
  const together = rate > 0 ? Math.min(rate, deleteTogether) : deleteTogether;
  for (let from = 0; from < byShelf.length; from += together) {
    signal.throwIfAborted();
    const some = byShelf.slice(from, from + together);
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
    await breathe();
  }
  return { freed, freedBytes, failures };
}

/** Nobody knows their sizes. */
function sortedByShelf(incs: readonly Incarnation[]): { inc: Incarnation; size?: number }[] {
  return [...incs].sort((one, other) => (dataKey(one) < dataKey(other) ? -1 : 1)).map((inc) => ({ inc }));
}

/** Most often that is all of what was found. */
function foundOf(final: readonly Incarnation[], found: readonly Found[]): readonly Found[] {
  if (final.length === found.length) return found;
  const left = new Set(final);
  return found.filter(({ inc }) => left.has(inc));
}
