import { lstatSync, readdirSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Key, ListedObject } from '../driver.ts';
import { DATA } from '../paths.ts';
import type { Entry } from './file-protocol.ts';
import type { FileThread } from './file-thread.ts';
import { sizeOf } from './files.ts';
import { isMissing } from './system-errors.ts';

export interface ListingPorts {
  readonly pathOf: (key: Key) => string;
  /** Reads shelves: there are many of them, and each object needs a stat. */
  readonly thread: FileThread;
  /** Called for entries that are neither files nor folders, and for entries that have vanished. */
  readonly onOther?: (key: Key) => void;
}

/** Folders whose entries take up to this many bytes are read on the serving thread. */
const SMALL_BYTES = 64 * 1024;
/** Up to this many entries are stated one by one. */
const MAX_STATS = 16;
/**
 * The thread reads shelves with about this many objects at a time: half a millisecond of work, during which requests
 * have one processor less.
 */
const SCAN_BATCH = 128;
/** However empty they are, no more shelves than this at a time. */
const MAX_SHELVES = 32;

interface Named {
  /** Whether it certainly is a file. */
  readonly isFile: boolean;
  /** A folder's name ends with a slash, so that entries sort like whole keys. */
  readonly name: string;
  /** undefined for folders, and if not looked up yet. */
  readonly size: number | undefined;
}

/** A folder that is being iterated. */
interface Level {
  readonly prefix: Key;
  readonly entries: readonly Named[];
  next: number;
}

/** Lists the objects below a folder. */
export class Listing {
  readonly #ports: ListingPorts;

  constructor(ports: ListingPorts) {
    this.#ports = ports;
  }

  /** See StoreReader.list. */
  list(prefix: Key, after?: Key): AsyncGenerator<ListedObject> {
    return this.#each(prefix, after, (key, entry) => {
      const size = entry.size ?? sizeOf(this.#ports.pathOf(key));
      return size === undefined ? undefined : { key, size };
    });
  }

  /** See StoreReader.listKeys. Folders say which of their entries are files, so only links are looked at. */
  listKeys(prefix: Key): AsyncGenerator<Key> {
    return this.#each(prefix, undefined, (key, { isFile }) =>
      isFile || sizeOf(this.#ports.pathOf(key)) !== undefined ? key : undefined,
    );
  }

  /**
   * Without recursive generators, each of which would add a microtask for every object.
   * @param shown what is said of an object; undefined: it is none
   */
  async *#each<T>(
    prefix: Key,
    after: Key | undefined,
    shown: (key: Key, entry: Named) => T | undefined,
  ): AsyncGenerator<T> {
    const open: Level[] = [{ prefix, entries: await this.#entriesOf(prefix, after), next: 0 }];
    const shelves =
      prefix === DATA && after === undefined ? new Shelves(this.#ports, open[0]?.entries ?? []) : undefined;
    for (let level = open.at(-1); level !== undefined; level = open.at(-1)) {
      const entry = level.entries[level.next++];
      if (entry === undefined) {
        open.pop();
        continue;
      }
      const key = level.prefix + entry.name;
      if (key.endsWith('/')) {
        const shelf = level.prefix === DATA ? await shelves?.take(entry.name) : undefined;
        open.push({ prefix: key, entries: shelf ?? (await this.#entriesOf(key, after)), next: 0 });
      } else {
        const found = shown(key, entry);
        if (found === undefined) this.#ports.onOther?.(key);
        else yield found;
      }
    }
  }

  /** Sorted; with `after`, only later entries and their parents. */
  async #entriesOf(prefix: Key, after: Key | undefined): Promise<readonly Named[]> {
    const folder = this.#ports.pathOf(prefix);
    try {
      if (after === undefined) return sorted(await readFolder(folder));
      const isAfter = (key: Key): boolean => key > after || (key.endsWith('/') && after.startsWith(key));
      // A typical question is what follows the last slot of a long log: most names are irrelevant.
      const some = (await namesIn(folder)).filter((name) => isAfter(prefix + name) || isAfter(`${prefix + name}/`));
      const named =
        some.length <= MAX_STATS ? some.flatMap((name) => statEntry(folder, name)) : await readFolder(folder);
      return sorted(named.filter(({ name }) => isAfter(prefix + name)));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}

/** The shelves under data/, read by another thread in batches. */
class Shelves {
  readonly #ports: ListingPorts;
  readonly #names: readonly string[];
  #requested = 0;
  #batchSize = 1;
  #read: ReadonlyMap<string, readonly Named[]> = new Map();

  constructor(ports: ListingPorts, entries: readonly Named[]) {
    this.#ports = ports;
    this.#names = entries.map(({ name }) => name).filter((name) => name.endsWith('/'));
  }

  /** Must be called for each shelf in order. */
  async take(name: string): Promise<readonly Named[] | undefined> {
    if (!this.#read.has(name)) await this.#readSome();
    return this.#read.get(name);
  }

  async #readSome(): Promise<void> {
    const names = this.#names.slice(this.#requested, this.#requested + this.#batchSize);
    this.#requested += names.length;
    const listed = await this.#ports.thread.list(names.map((name) => this.#ports.pathOf(DATA + name)));
    const objects = listed.reduce((sum, entries) => sum + entries.length, 0);
    const each = Math.max(objects / names.length, SCAN_BATCH / MAX_SHELVES);
    this.#batchSize = Math.max(1, Math.floor(SCAN_BATCH / each));
    this.#read = new Map(names.map((name, index) => [name, sorted((listed[index] ?? []).map(namedOf))]));
  }
}

/**
 * Most folders are small and are read on this thread: with many of them, round trips to another thread would add up.
 */
function isSmall(folder: string): boolean {
  return statSync(folder).size <= SMALL_BYTES;
}

async function readFolder(folder: string): Promise<Named[]> {
  const options = { withFileTypes: true } as const;
  const entries = isSmall(folder) ? readdirSync(folder, options) : await readdir(folder, options);
  return entries.map((entry) => ({
    ...{ name: entry.isDirectory() ? `${entry.name}/` : entry.name, isFile: entry.isFile(), size: undefined },
  }));
}

async function namesIn(folder: string): Promise<string[]> {
  return isSmall(folder) ? readdirSync(folder) : await readdir(folder);
}

/** Nothing if it is gone by now. A link to a folder is no folder, as when the whole folder is read. */
function statEntry(folder: string, name: string): Named[] {
  const found = lstatSync(join(folder, name), { throwIfNoEntry: false });
  if (found === undefined) return [];
  return [{ name: found.isDirectory() ? `${name}/` : name, isFile: found.isFile(), size: undefined }];
}

function sorted(entries: readonly Named[]): readonly Named[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function namedOf({ name, size }: Entry): Named {
  return { name: size === undefined ? `${name}/` : name, isFile: size !== undefined, size };
}
