import type { Incarnation } from '../oci/names.ts';
import type { Archive } from '../storage/archive.ts';
import type { Key } from '../storage/driver.ts';
import { FingerprintSet } from '../system/fingerprint-set.ts';
import { BackupRefused } from './errors.ts';
import { type KeepRules, keptOf } from './keep.ts';
import { BACKUPS, BLOBS, backupKey, backupOfKey, blobKey, PACKS, packKey, pruneKey } from './layout.ts';
import { linksOfCopies } from './links-of-copies.ts';
import type { Manifest } from './manifest.ts';
import type { BackupName, BackupPlace } from './place.ts';
import { type Prune, writePrune } from './prunes.ts';

/** Objects that are removed with one check that this prune may still remove. */
const BATCH = 1_000;
/** How often a prune says that it goes on, and for how long it may remove after that. Backups wait for much longer. */
const RENEW_EVERY_MS = 60_000;
const MAY_REMOVE_MS = 10 * 60_000;

export interface PrunePorts {
  readonly place: BackupPlace;
  readonly rules: KeepRules;
  /** Only finds out what would be done. */
  readonly isDry: boolean;
  readonly newId: () => Incarnation;
  /** Milliseconds. */
  readonly now: () => number;
  readonly signal: AbortSignal;
}

export interface PruneReport {
  readonly kept: readonly BackupName[];
  readonly removed: readonly BackupName[];
  /** Blobs and packs that no kept backup needs, and their bytes. */
  readonly objects: number;
  readonly bytes: number;
}

/**
 * Removes backups that no rule keeps, and what only they needed, or runs that made no backup. It may be interrupted and run again.
 * Nothing is removed unless all logs of all kept backups can be read.
 * @throws BackupRefused; RegistryError `log-broken`
 */
export async function prune(ports: PrunePorts): Promise<PruneReport> {
  return await new PruneRun(ports).run();
}

class PruneRun {
  readonly #ports: PrunePorts;
  readonly #archive: Archive;
  readonly #id: Incarnation;
  #writtenAt = 0;

  constructor(ports: PrunePorts) {
    this.#ports = ports;
    this.#archive = ports.place.archive;
    this.#id = ports.newId();
  }

  async run(): Promise<PruneReport> {
    const { place, rules, isDry, now } = this.#ports;
    const earlier = await place.endedPrunes(now());
    const all = await place.list();
    const chosen = keptOf(all, rules);
    if (chosen.length === 0 && all.length > 0)
      throw new BackupRefused('this would keep no backup: nothing was removed');
    const removed = all.filter((backup) => !chosen.includes(backup));
    if (isDry) return { kept: chosen, removed, ...(await this.#remove(await this.#needed(chosen), [])) };
    await this.#write(chosen, false);
    const kept = [...chosen, ...(await this.#newSince(all))];
    await this.#write(kept, false);
    const needed = await this.#neededOrNothing(kept);
    const manifests: Key[] = [];
    for await (const { key } of this.#archive.list(BACKUPS)) {
      // Files that others keep beside the backups stay.
      if (backupOfKey(key) === undefined) continue;
      if (!kept.some(({ id, name }) => backupKey(id, name) === key)) manifests.push(key);
    }
    const report = await this.#remove(needed, manifests, kept);
    await this.#write(kept, true);
    // This one says all that they say. A backup that does not know this one does not count, whatever they say.
    await this.#archive.remove(earlier.map(pruneKey));
    await this.#archive.settle();
    return { kept, removed, ...report };
  }

  /** Backups that were finished while the prune began. Later ones see it, and do not count. */
  async #newSince(all: readonly BackupName[]): Promise<BackupName[]> {
    const known = new Set(all.map(({ id }) => id));
    const found = await this.#ports.place.list(this.#id);
    return found.filter(({ id }) => !known.has(id));
  }

  /** If a backup cannot be read, everything stays as it is. */
  async #neededOrNothing(kept: readonly BackupName[]): Promise<FingerprintSet> {
    try {
      return await this.#needed(kept);
    } catch (error) {
      await this.#archive.remove([pruneKey(this.#id)]);
      await this.#archive.settle();
      throw error;
    }
  }

  /** The names of all objects that backups need. */
  async #needed(kept: readonly BackupName[]): Promise<FingerprintSet> {
    const { place, signal } = this.#ports;
    const needed = new FingerprintSet();
    const manifests: Manifest[] = [];
    for (const backup of kept) {
      signal.throwIfAborted();
      const manifest = await place.read(backup);
      for (const pack of manifest.packs) needed.add(packKey(pack));
      manifests.push(manifest);
    }
    for await (const digest of linksOfCopies(this.#archive, manifests, signal)) needed.add(blobKey(digest));
    return needed;
  }

  /** @param first are removed before all others */
  async #remove(
    needed: FingerprintSet,
    first: readonly Key[],
    kept: readonly BackupName[] = [],
  ): Promise<Pick<PruneReport, 'objects' | 'bytes'>> {
    const { isDry } = this.#ports;
    let [objects, bytes] = [0, 0];
    if (first.length > 0) {
      await this.#removeSome(first, kept);
      // A backup whose bytes are gone must be gone, too.
      await this.#archive.settle();
    }
    let batch: Key[] = [];
    for (const prefix of [BLOBS, PACKS]) {
      for await (const { key, size } of this.#archive.list(prefix)) {
        if (needed.has(key)) continue;
        objects++;
        bytes += size;
        if (isDry) continue;
        batch.push(key);
        if (batch.length < BATCH) continue;
        await this.#removeSome(batch, kept);
        batch = [];
      }
    }
    await this.#removeSome(batch, kept);
    return { objects, bytes };
  }

  async #removeSome(keys: readonly Key[], kept: readonly BackupName[]): Promise<void> {
    const { now, signal } = this.#ports;
    if (keys.length === 0) return;
    signal.throwIfAborted();
    if (now() - this.#writtenAt >= RENEW_EVERY_MS) await this.#write(kept, false);
    if (now() - this.#writtenAt >= MAY_REMOVE_MS)
      throw new BackupRefused('the prune was paused for too long, so that backups may have begun: run it again');
    await this.#archive.remove(keys);
  }

  async #write(kept: readonly BackupName[], hasEnded: boolean): Promise<void> {
    const at = this.#ports.now();
    const content: Prune = { v: 1, id: this.#id, kept: kept.map(({ id }) => id), at, hasEnded };
    await writePrune(this.#archive, content);
    await this.#archive.settle();
    this.#writtenAt = at;
  }
}
