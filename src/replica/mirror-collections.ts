import type { Incarnation } from '../oci/names.ts';
import { encodeList } from '../registry/condemned.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { condemnedKey, dataKey, EPOCHS, epochOfCondemnedKey, epochOfFinalKey, finalKey } from '../storage/paths.ts';
import type { ReplicationSource } from './interface.ts';
import { findLink, type LinkPorts } from './linked.ts';
import { SourceRefused } from './source-errors.ts';

/** Objects that are deleted at once, and the pause after them, in which requests are served. */
const BATCH = 256;
const PAUSE_MS = 20;
/** Names in memory. Lists are taken together up to this number, because all logs are read before their objects are deleted. */
const MAX_NAMES = 200_000;

export interface MirrorPorts extends LinkPorts {
  readonly driver: LinkPorts['driver'] & Pick<ObjectStore, 'create' | 'delete'>;
  readonly source: Pick<ReplicationSource, 'collections' | 'collection'>;
  /** Copies every log of the source as far as it reaches. */
  readonly copyAllLogs: (signal: AbortSignal) => Promise<void>;
  /** Called before objects are deleted. */
  readonly deleting: () => void;
  /** Called when lists were refused because a log here links what they name. */
  readonly refusedLists: () => void;
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * A replica collects no garbage by itself: it cannot write fences. It deletes what the source's rounds of collection delete. Such a
 * round has fenced every log before it created its list, and after its fence no log links an object of the list again. So the objects
 * are deleted here once every log has been copied as it was after the list was created. While they are deleted, the list is an open one
 * of this store, too: if the store is promoted in between, no writer links one of these objects again (DESIGN 8).
 *
 * The source is not trusted in this. What it says of its logs is checked against the logs here: a list that names an object which one
 * of them links is no list of a collection, and nothing is deleted because of it.
 * @returns how many objects were deleted
 * @throws SourceAway, SourceRefused; as `LogCopier.copy`; RegistryError `log-broken`; errors of the store
 */
export async function mirrorCollections(ports: MirrorPorts, signal: AbortSignal): Promise<number> {
  const { driver, source } = ports;
  const { done, open } = await roundsIn(driver);
  // A process ended before it removed them.
  for (const epoch of open) if (done.has(epoch)) await close(epoch, driver);
  let rounds: Rounds = new Map();
  let [names, deleted] = [0, 0];
  let after: Incarnation | undefined;
  for (let more = true; more; ) {
    const page = await source.collections(after, signal);
    for (const epoch of page.epochs) {
      if (done.has(epoch)) continue;
      const found = await source.collection(epoch, signal);
      if (found === undefined) continue;
      rounds.set(epoch, found.objects);
      names += found.objects.length;
      if (names < MAX_NAMES) continue;
      deleted += await mirrorRounds(rounds, ports, signal);
      [rounds, names] = [new Map(), 0];
    }
    after = page.epochs[page.epochs.length - 1];
    more = page.more;
  }
  return deleted + (await mirrorRounds(rounds, ports, signal));
}

type Rounds = Map<Incarnation, readonly Incarnation[]>;

async function mirrorRounds(rounds: Rounds, ports: MirrorPorts, signal: AbortSignal): Promise<number> {
  const { driver, copyAllLogs, deleting } = ports;
  if (rounds.size === 0) return 0;
  await copyAllLogs(signal);
  await requireUnlinked(rounds, ports, signal);
  deleting();
  let deleted = 0;
  for (const [epoch, objects] of rounds) {
    await driver.create(condemnedKey(epoch), encodeList(objects));
    await deleteAll(objects, ports, signal);
    // As at the source, the list stays: it says when the bytes went (docs/decisions/0082).
    await driver.create(finalKey(epoch), encodeList(objects));
    await close(epoch, driver);
    deleted += objects.length;
  }
  return deleted;
}

async function requireUnlinked(rounds: Rounds, ports: MirrorPorts, signal: AbortSignal): Promise<void> {
  const listed = new Set<Incarnation>();
  for (const objects of rounds.values()) for (const inc of objects) listed.add(inc);
  if (listed.size === 0) return;
  const link = await findLink(listed, ports, signal);
  if (link === undefined) return;
  ports.refusedLists();
  const [epoch] = [...rounds].find(([, objects]) => objects.includes(link.inc)) ?? [];
  throw new SourceRefused(
    `the source's list of deleted objects gc/${epoch}/final names ${link.inc}, which the log of ${link.repo} links: nothing was deleted`,
  );
}

/** The rounds whose deletes are done here, and those with an open list. */
async function roundsIn(
  driver: MirrorPorts['driver'],
): Promise<{ readonly done: ReadonlySet<Incarnation>; readonly open: ReadonlySet<Incarnation> }> {
  const done = new Set<Incarnation>();
  const open = new Set<Incarnation>();
  for await (const { key } of driver.list(EPOCHS)) {
    const ended = epochOfFinalKey(key);
    if (ended !== undefined) done.add(ended);
    const begun = epochOfCondemnedKey(key);
    if (begun !== undefined) open.add(begun);
  }
  return { done, open };
}

async function close(epoch: Incarnation, driver: MirrorPorts['driver']): Promise<void> {
  const [failure] = await driver.delete([condemnedKey(epoch)]);
  if (failure !== undefined) throw failure.cause;
}

async function deleteAll(
  objects: readonly Incarnation[],
  { driver, sleep }: MirrorPorts,
  signal: AbortSignal,
): Promise<void> {
  for (let start = 0; start < objects.length; start += BATCH) {
    signal.throwIfAborted();
    const [failure] = await driver.delete(objects.slice(start, start + BATCH).map(dataKey));
    if (failure !== undefined) throw failure.cause;
    await sleep(PAUSE_MS, signal);
  }
}
