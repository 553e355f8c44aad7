import { forEachConcurrently } from '../collection/concurrently.ts';
import { RepositoryState } from '../journal/fold.ts';
import { encodeSnapshot } from '../journal/snapshot.ts';
import { isSnapshotDue } from '../journal/snapshot-due.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { lastSlotIn } from '../past/slot-times.ts';
import { writeHint } from '../registry/hints.ts';
import type { Archive } from '../storage/archive.ts';
import { dataKey, FORMAT, markerKey, snapshotKey } from '../storage/paths.ts';
import { encodeFormat, type Identity, type Restoring, readRestoring } from '../storage/prepare.ts';
import { BackupRefused, type Damage, MAX_DAMAGES } from './errors.ts';
import { blobKey } from './layout.ts';
import type { Link } from './links.ts';
import { type CopiedSlot, LogReader } from './log-reader.ts';
import { batchOf, type Log, slotKeyOf } from './logs.ts';
import { type LogCopy, logsOf, type Manifest } from './manifest.ts';

const LOG_CONCURRENCY = 4;
const OBJECT_CONCURRENCY = 8;

export interface RestoreProgress {
  readonly logs: number;
  readonly of: number;
  readonly bytes: number;
}

export interface RestorePorts {
  /** Of the backups. */
  readonly archive: Archive;
  readonly manifest: Manifest;
  /** The store to be. */
  readonly target: Archive;
  /** As of when, in milliseconds; undefined: all that the backup has. */
  readonly at: number | undefined;
  /** Whether it keeps the ULID of the registry that was backed up. */
  readonly sameStore: boolean;
  /** Whether the store is made although the backup lacks content. */
  readonly acceptsDamage: boolean;
  readonly newId: () => Incarnation;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: RestoreProgress) => void;
}

export interface RestoreReport extends Identity {
  readonly repositories: number;
  readonly slots: number;
  readonly objects: number;
  readonly bytes: number;
  /** Whether an interrupted restore was continued. */
  readonly resumed: boolean;
  /** What the backup lacks, at most MAX_DAMAGES, and how much that is in all. The store links it, and has no bytes for it. */
  readonly damages: readonly Damage[];
  readonly lacking: number;
}

/** Everything was restored but what the backup lacks, and servers refuse the store. The same restore can be run again. */
export class RestoreIncomplete extends Error {
  override readonly name = 'RestoreIncomplete';
  /** At most MAX_DAMAGES. */
  readonly damages: readonly Damage[];
  readonly count: number;

  constructor(damages: readonly Damage[], count: number) {
    super(`blobs and manifests that are missing or damaged in the backup (${count})`);
    this.damages = damages;
    this.count = count;
  }
}

/** The backups have no bytes for content that was there at the moment. Nothing was restored. */
export class MomentIncomplete extends Error {
  override readonly name = 'MomentIncomplete';
  /** At most MAX_DAMAGES. */
  readonly damages: readonly Damage[];
  readonly count: number;

  constructor(damages: readonly Damage[], count: number) {
    super(`blobs and manifests of that moment that are not in the backups (${count})`);
    this.damages = damages;
    this.count = count;
  }
}

/**
 * Makes a store from a backup. It may be interrupted and run again. Until it has ended, no server serves the store.
 * @throws BackupRefused; MomentIncomplete; RestoreIncomplete; RegistryError `log-broken`, `storage-full`
 */
export async function restoreBackup(ports: RestorePorts): Promise<RestoreReport> {
  return await new RestoreRun(ports).run();
}

class RestoreRun {
  readonly #ports: RestorePorts;
  readonly #reader: LogReader;
  readonly #counts = { repositories: 0, slots: 0, objects: 0, bytes: 0 };
  readonly #damages: Damage[] = [];
  #lacking = 0;
  #resumed = false;
  #done = 0;

  constructor(ports: RestorePorts) {
    this.#ports = ports;
    this.#reader = new LogReader(ports.archive, ports.manifest);
  }

  async run(): Promise<RestoreReport> {
    const { target, manifest, at, acceptsDamage } = this.#ports;
    // Before anything is written, because it takes a while, and then nothing has to be removed.
    const known = await readRestoring(target);
    if (known === undefined && at !== undefined && !acceptsDamage) await this.#requireBytes();
    const restoring = await this.#begin(known);
    // Notes may name slots that are later than the moment. The first server writes new ones.
    const logs = [...logsOf(manifest)].filter(([{ kind }]) => at === undefined || kind !== 'notes');
    await forEachConcurrently(logs, LOG_CONCURRENCY, async ([log, copy]) => {
      await this.#restoreLog(log, copy);
      this.#done++;
      this.#ports.onProgress?.({ logs: this.#done, of: logs.length, bytes: this.#counts.bytes });
    });
    if (this.#lacking > 0 && !acceptsDamage) {
      await target.settle();
      throw new RestoreIncomplete(this.#damages, this.#lacking);
    }
    const { store, secrets } = restoring;
    await target.writeLast(FORMAT, encodeFormat({ store, secrets }));
    const { damages, lacking } = { damages: this.#damages, lacking: this.#lacking };
    return { store, secrets, ...this.#counts, resumed: this.#resumed, damages, lacking };
  }

  async #begin(known: Restoring | undefined): Promise<Restoring> {
    const { target, manifest, at, sameStore, newId } = this.#ports;
    if (known !== undefined) {
      const isSame = known.backup === manifest.id && known.at === at && (known.store === manifest.store) === sameStore;
      if (!isSame)
        throw new BackupRefused(
          `another restore to ${target.place} was interrupted: run that one again (backup ${known.backup}), or give an empty store`,
        );
      this.#resumed = true;
      return known;
    }
    if (!(await target.isEmpty())) throw new BackupRefused(`${target.place} is not empty: give an empty store`);
    const { secrets } = manifest;
    const store = sameStore ? manifest.store : newId();
    const restoring = { store, secrets, backup: manifest.id, at };
    await target.write(FORMAT, encodeFormat(restoring, restoring));
    await target.settle();
    return restoring;
  }

  /** The backup's own moment is whole. An earlier one may need bytes that were gone already, and in no earlier backup. */
  async #requireBytes(): Promise<void> {
    const { archive, manifest, signal } = this.#ports;
    const damages: Damage[] = [];
    let count = 0;
    for (const [log, copy] of logsOf(manifest)) {
      if (log.kind !== 'repository') continue;
      const { state } = await this.#foldOf(log, copy, async () => {});
      for (const [digest, { size }] of linksOf(state)) {
        signal.throwIfAborted();
        if ((await archive.head(blobKey(digest)))?.size === size) continue;
        count++;
        if (damages.length < MAX_DAMAGES) damages.push({ repo: log.repo, digest, problem: 'missing' });
      }
    }
    if (count > 0) throw new MomentIncomplete(damages, count);
  }

  async #restoreLog(log: Log, copy: LogCopy): Promise<void> {
    const writeSlot = async ({ seq, bytes }: CopiedSlot): Promise<void> => {
      this.#ports.signal.throwIfAborted();
      await this.#write(slotKeyOf(log, seq), bytes);
      this.#counts.slots++;
    };
    if (log.kind !== 'repository') {
      const last = await this.#lastOf(log, copy);
      for await (const slot of this.#reader.slots(log, copy)) {
        if (slot.seq > last) break;
        await writeSlot(slot);
      }
      return;
    }
    const { repo } = log;
    const { state, bytes } = await this.#foldOf(log, copy, writeSlot);
    if (state.seq === 0) return;
    await this.#write(markerKey(repo), new Uint8Array());
    const lacking = new Set<Digest>();
    await forEachConcurrently(linksOf(state), OBJECT_CONCURRENCY, async ([digest, { inc, size }]) => {
      const problem = await this.#restoreObject({ digest, inc, size });
      if (problem === undefined) return;
      lacking.add(digest);
      this.#lacking++;
      if (this.#damages.length < MAX_DAMAGES) this.#damages.push({ repo, digest, problem });
    });
    const { target } = this.#ports;
    const hints = { put: (key: string, bytes: Uint8Array): Promise<void> => target.write(key, bytes) };
    // Only blobs have hints.
    await forEachConcurrently(state.blobs, OBJECT_CONCURRENCY, async ([digest, { inc, size }]) => {
      if (!lacking.has(digest)) await writeHint(hints, digest, { inc, size, repo });
    });
    if (isSnapshotDue({ slots: state.seq, bytes, snapshotBytes: 0 }))
      await this.#write(snapshotKey(repo, state.seq), await encodeSnapshot(repo, state));
    this.#counts.repositories++;
  }

  /** @param visit called with each slot up to the moment */
  async #foldOf(
    log: Log & { readonly repo: RepositoryName },
    copy: LogCopy,
    visit: (slot: CopiedSlot) => Promise<void>,
  ): Promise<{ readonly state: RepositoryState; readonly bytes: number }> {
    const last = await this.#lastOf(log, copy);
    const state = new RepositoryState();
    let size = 0;
    for await (const slot of this.#reader.slots(log, copy)) {
      if (slot.seq > last) break;
      state.apply(batchOf(log, slot.seq, slot.bytes), slot.hash);
      size += slot.bytes.length;
      await visit(slot);
    }
    return { state, bytes: size };
  }

  /** The last slot to restore. */
  async #lastOf(log: Log, copy: LogCopy): Promise<number> {
    const { at } = this.#ports;
    if (at === undefined) return copy.seq;
    const times: number[] = [];
    for await (const slot of this.#reader.slots(log, copy)) times.push(Date.parse(slot.at));
    return await lastSlotIn(times, at);
  }

  /** @returns what is wrong with the bytes in the backup; then nothing was written */
  async #restoreObject({ digest, inc, size }: Link): Promise<Damage['problem'] | undefined> {
    const { archive, target, signal } = this.#ports;
    signal.throwIfAborted();
    const key = dataKey(inc);
    if (!(await this.#isThere(key, size))) {
      const object = await archive.open(blobKey(digest));
      if (object === undefined) return 'missing';
      const isRight =
        object.size === size &&
        (await target.copy(key, object, { digest, onBytes: async () => signal.throwIfAborted() }));
      if (!isRight) return 'damaged';
      this.#counts.bytes += size;
    }
    this.#counts.objects++;
    return undefined;
  }

  /** Whether an interrupted restore has written the object. */
  async #isThere(key: string, size: number): Promise<boolean> {
    return this.#resumed && (await this.#ports.target.head(key))?.size === size;
  }

  async #write(key: string, bytes: Uint8Array): Promise<void> {
    const { target } = this.#ports;
    if (this.#resumed) {
      const found = await target.read(key);
      if (found !== undefined && Buffer.compare(found, bytes) === 0) return;
    }
    await target.write(key, bytes);
  }
}

function* linksOf({
  blobs,
  manifests,
}: RepositoryState): Generator<readonly [Digest, { readonly inc: Incarnation; readonly size: number }]> {
  yield* blobs;
  yield* manifests;
}
