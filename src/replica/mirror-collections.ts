import type { Incarnation } from '../oci/names.ts';
import { encodeList } from '../registry/condemned.ts';
import type { ObjectStore } from '../storage/driver.ts';
import { dataKey, EPOCHS, epochOfFinalKey, finalKey } from '../storage/paths.ts';
import type { ReplicationSource } from './interface.ts';

/** Objects that are deleted at once, and the pause after them, in which requests are served. */
const BATCH = 256;
const PAUSE_MS = 20;

export interface MirrorPorts {
  readonly driver: Pick<ObjectStore, 'list' | 'read' | 'create' | 'delete'>;
  readonly source: Pick<ReplicationSource, 'collections' | 'collection'>;
  /** Copies every log of the source as far as it reaches. */
  readonly copyAllLogs: (signal: AbortSignal) => Promise<void>;
  /** Called before objects are deleted. */
  readonly deleting: () => void;
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * A replica collects no garbage by itself: it cannot write fences. It deletes what the source's rounds of collection delete. Such a
 * round has fenced every log before it created its list, and after its fence no log links an object of the list again. So the objects
 * are deleted here once every log has been copied as it was after the list was created.
 * @returns how many objects were deleted
 * @throws SourceAway, SourceRefused; as `LogCopier.copy`; errors of the store
 */
export async function mirrorCollections(ports: MirrorPorts, signal: AbortSignal): Promise<number> {
  const { driver, source, copyAllLogs, deleting } = ports;
  const done = await mirrored(driver);
  const rounds = new Map<Incarnation, readonly Incarnation[]>();
  let after: Incarnation | undefined;
  for (let more = true; more; ) {
    const page = await source.collections(after, signal);
    for (const epoch of page.epochs) {
      if (done.has(epoch)) continue;
      const found = await source.collection(epoch, signal);
      if (found !== undefined) rounds.set(epoch, found.objects);
    }
    after = page.epochs[page.epochs.length - 1];
    more = page.more;
  }
  if (rounds.size === 0) return 0;
  await copyAllLogs(signal);
  deleting();
  let deleted = 0;
  for (const [epoch, objects] of rounds) {
    await deleteAll(objects, ports, signal);
    // As at the source, the list stays: it says when the bytes went (docs/decisions/0082).
    await driver.create(finalKey(epoch), encodeList(objects));
    deleted += objects.length;
  }
  return deleted;
}

async function mirrored(driver: MirrorPorts['driver']): Promise<ReadonlySet<Incarnation>> {
  const epochs = new Set<Incarnation>();
  for await (const { key } of driver.list(EPOCHS)) {
    const epoch = epochOfFinalKey(key);
    if (epoch !== undefined) epochs.add(epoch);
  }
  return epochs;
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
