import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import { type Digest, type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Archive, Copy } from '../storage/archive.ts';
import type { StoredObject } from '../storage/driver.ts';
import { FORMAT } from '../storage/paths.ts';
import { BackupRefused } from './errors.ts';
import { BACKUPS, backupKey, backupOfKey, blobKey, IDENTITY, packKey } from './layout.ts';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.ts';
import { isSpared, type Prune, readPrunes } from './prunes.ts';

const VERSION = 1;
const identity = z.object({
  v: z.int(),
  store: z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined),
});

/** A prune that has not said for this long that it goes on, in milliseconds, does not go on. */
const PRUNE_ENDS_MS = 60 * 60_000;
/** At most so many digests are remembered as stored, so that content which repositories share is looked for once. */
const KNOWN_DIGESTS = 200_000;

export interface BackupName {
  readonly id: Incarnation;
  readonly name: string;
}

/** A place with backups. */
export class BackupPlace {
  readonly #archive: Archive;
  readonly #known = new Set<Digest>();

  constructor(archive: Archive) {
    this.#archive = archive;
  }

  /** For people. */
  get name(): string {
    return this.#archive.place;
  }

  get archive(): Archive {
    return this.#archive;
  }

  /**
   * Checks that the backups here are of that registry. An empty place becomes its own.
   * @throws BackupRefused
   */
  async claim(store: Incarnation): Promise<void> {
    const found = await this.#identity();
    if (found === undefined) {
      if ((await this.#archive.read(FORMAT)) !== undefined)
        throw new BackupRefused(`${this.name} is a store of a registry, no place for backups`);
      if (!(await this.#archive.isEmpty()))
        throw new BackupRefused(`${this.name} has other content and no backups: give an empty place`);
      await this.#archive.write(IDENTITY, Buffer.from(`${JSON.stringify({ v: VERSION, store })}\n`));
      await this.#archive.settle();
      return;
    }
    if (found !== store)
      throw new BackupRefused(
        `${this.name} has backups of another registry (its store is ${found}, this one's is ${store}): give another place`,
      );
  }

  /** @returns the ULID of the store whose backups are here. @throws BackupRefused if there are none */
  async require(): Promise<Incarnation> {
    const store = await this.#identity();
    if (store === undefined) throw new BackupRefused(`${this.name} is no place with backups: it has no ${IDENTITY}`);
    return store;
  }

  async #identity(): Promise<Incarnation | undefined> {
    const bytes = await this.#archive.read(IDENTITY);
    if (bytes === undefined) return undefined;
    const parsed = identity.safeParse(jsonOf(bytes));
    if (!parsed.success) throw new BackupRefused(`${IDENTITY} in ${this.name} is damaged`);
    if (parsed.data.v > VERSION)
      throw new BackupRefused(`${this.name} is of a newer version of Marina: use that version`);
    return parsed.data.store;
  }

  /** The whole backups, oldest first. @param except a prune that does not count */
  async list(except?: Incarnation): Promise<BackupName[]> {
    const prunes = (await readPrunes(this.#archive)).filter(({ id }) => id !== except);
    const found: BackupName[] = [];
    for await (const { key } of this.#archive.list(BACKUPS)) {
      const backup = backupOfKey(key);
      if (backup !== undefined && (await this.#isSpared(backup, prunes))) found.push(backup);
    }
    return found;
  }

  async #isSpared(backup: BackupName, prunes: readonly Prune[]): Promise<boolean> {
    // Most are older than the prunes, and need not be read.
    if (isSpared(backup.id, [], prunes)) return true;
    const bytes = await this.#archive.read(backupKey(backup.id, backup.name));
    if (bytes === undefined) return false;
    const decoded = decodeManifest(bytes);
    // One that cannot be read is shown, so that it is noticed.
    return 'problem' in decoded || isSpared(backup.id, decoded.manifest.prunes, prunes);
  }

  /**
   * The prunes that a backup which begins now need not care about.
   * @param now milliseconds
   * @throws BackupRefused while one may remove bytes
   */
  async endedPrunes(now: number): Promise<Incarnation[]> {
    const prunes = await readPrunes(this.#archive);
    const runs = prunes.some(({ at, hasEnded }) => !hasEnded && now - at < PRUNE_ENDS_MS);
    if (runs && !this.#archive.isAlone)
      throw new BackupRefused(
        `${this.name} is being pruned, or a prune was interrupted less than an hour ago: wait, or run it again`,
      );
    return prunes.map(({ id }) => id);
  }

  /** @throws BackupRefused if it cannot be read */
  async read({ id, name }: BackupName): Promise<Manifest> {
    const bytes = await this.#archive.read(backupKey(id, name));
    const decoded = bytes === undefined ? { problem: 'it is missing' } : decodeManifest(bytes);
    if ('problem' in decoded) throw new BackupRefused(`the backup ${name} cannot be used: ${decoded.problem}`);
    return decoded.manifest;
  }

  /** Whether the bytes of a digest are here, at that length. What an unfinished run left counts, too: whatever has its name is whole. */
  async has(digest: Digest, size: number): Promise<boolean> {
    if (this.#known.has(digest)) return true;
    const found = await this.#archive.head(blobKey(digest));
    if (found?.size !== size) return false;
    this.#remember(digest);
    return true;
  }

  /** @returns false if the bytes do not have that digest */
  async add(digest: Digest, source: StoredObject, onBytes: Copy['onBytes']): Promise<boolean> {
    const isRight = await this.#archive.copy(blobKey(digest), source, { digest, onBytes });
    if (isRight) this.#remember(digest);
    return isRight;
  }

  #remember(digest: Digest): void {
    if (this.#known.size < KNOWN_DIGESTS) this.#known.add(digest);
  }

  async addPack(pack: string, bytes: Uint8Array): Promise<void> {
    await this.#archive.write(packKey(pack), bytes);
  }

  /** Ends a run with a whole backup. @throws BackupRefused if the place was pruned meanwhile: then there is none */
  async finish(manifest: Manifest): Promise<void> {
    const key = backupKey(manifest.id, manifest.name);
    await this.#archive.writeLast(key, encodeManifest(manifest));
    if (isSpared(manifest.id, manifest.prunes, await readPrunes(this.#archive))) return;
    await this.#archive.remove([key]);
    throw new BackupRefused(`${this.name} was pruned meanwhile: there is no backup; run it again`);
  }
}
