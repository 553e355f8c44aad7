import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { algorithmOf } from '../oci/digest.ts';
import { type Digest, type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Archive } from '../storage/archive.ts';
import { digestOfObject } from '../storage/digest-object.ts';
import type { StoredObject } from '../storage/driver.ts';
import { FORMAT } from '../storage/paths.ts';
import { BackupRefused } from './errors.ts';
import { BACKUPS, backupKey, backupOfKey, blobKey, IDENTITY, packKey, UNFINISHED, unfinishedKey } from './layout.ts';
import { decodeManifest, encodeManifest, type Manifest } from './manifest.ts';

const VERSION = 1;
const identity = z.object({
  v: z.int(),
  store: z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined),
});

/** Digests that are remembered as stored, so that content which repositories share is looked for once. */
const KNOWN_DIGESTS = 200_000;

export interface BackupName {
  readonly id: Incarnation;
  readonly name: string;
}

/** A place with backups. */
export class BackupPlace {
  readonly #archive: Archive;
  /** Whether an earlier run did not settle: objects that no backup refers to may be torn. */
  #isSuspect = false;
  readonly #known = new LRUCache<Digest, true>({ max: KNOWN_DIGESTS });

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
    let json: unknown;
    try {
      json = JSON.parse(new TextDecoder().decode(bytes));
    } catch {
      throw new BackupRefused(`${IDENTITY} in ${this.name} is damaged`);
    }
    const parsed = identity.safeParse(json);
    if (!parsed.success) throw new BackupRefused(`${IDENTITY} in ${this.name} is damaged`);
    if (parsed.data.v > VERSION)
      throw new BackupRefused(`${this.name} is of a newer version of Marina: use that version`);
    return parsed.data.store;
  }

  /** The whole backups, oldest first. */
  async list(): Promise<BackupName[]> {
    const found: BackupName[] = [];
    for await (const { key } of this.#archive.list(BACKUPS)) {
      const backup = backupOfKey(key);
      if (backup !== undefined) found.push(backup);
    }
    return found;
  }

  /** @throws BackupRefused if it cannot be read */
  async read({ id, name }: BackupName): Promise<Manifest> {
    const bytes = await this.#archive.read(backupKey(id, name));
    const decoded = bytes === undefined ? { problem: 'it is missing' } : decodeManifest(bytes);
    if ('problem' in decoded) throw new BackupRefused(`the backup ${name} cannot be used: ${decoded.problem}`);
    return decoded.manifest;
  }

  /** Begins a run. Until it has finished, later runs do not rely on what it wrote. */
  async begin(id: Incarnation): Promise<void> {
    if (this.#archive.isDurableAtOnce) return;
    for await (const _ of this.#archive.list(UNFINISHED)) {
      this.#isSuspect = true;
      break;
    }
    await this.#archive.write(unfinishedKey(id), new Uint8Array());
    await this.#archive.settle();
  }

  /** Whether the bytes of a digest are here, at that length. What an unfinished run left is read and checked. */
  async has(digest: Digest, size: number): Promise<boolean> {
    if (this.#known.has(digest)) return true;
    const found = await this.#archive.head(blobKey(digest));
    if (found?.size !== size) return false;
    if (this.#isSuspect) {
      const actual = await digestOfObject(this.#archive, blobKey(digest), algorithmOf(digest), () => {});
      if (actual !== digest) return false;
    }
    this.#known.set(digest, true);
    return true;
  }

  /** @returns false if the bytes do not have that digest */
  async add(digest: Digest, source: StoredObject, onBytes: (count: number) => void): Promise<boolean> {
    const isRight = await this.#archive.copy(blobKey(digest), source, { digest, onBytes });
    if (isRight) this.#known.set(digest, true);
    return isRight;
  }

  async addPack(pack: string, bytes: Uint8Array): Promise<void> {
    await this.#archive.write(packKey(pack), bytes);
  }

  /** Ends a run with a whole backup. */
  async finish(manifest: Manifest): Promise<void> {
    await this.#archive.settle();
    await this.#archive.write(backupKey(manifest.id, manifest.name), encodeManifest(manifest));
    await this.#archive.settle();
    if (this.#archive.isDurableAtOnce) return;
    // Those of earlier runs, too: whatever of theirs this backup refers to was checked.
    const unfinished: string[] = [];
    for await (const { key } of this.#archive.list(UNFINISHED)) unfinished.push(key);
    for (const key of unfinished) await this.#archive.remove(key);
  }
}
