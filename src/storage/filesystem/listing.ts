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
  /** Reads shelves of objects: there are many of them, and each object takes a look of its own. */
  readonly thread: FileThread;
  /** Told of what is neither a file nor a folder, and of what went away meanwhile. */
  readonly onOther?: (key: Key) => void;
}

/** Folders whose names take up to so many bytes are read on the serving thread. */
const SMALL_BYTES = 64 * 1024;
/** So many names are looked at one by one. */
const FEW = 16;
/** The thread is asked for shelves with about so many objects at once: half a millisecond's work, which takes others a processor. */
const OBJECTS_TOGETHER = 128;
/** However empty they are. */
const MOST_SHELVES = 32;

interface Named {
  /** That of a folder ends with a slash, so that the order is that of whole keys. */
  readonly name: string;
  /** undefined for folders, and where nobody looked yet. */
  readonly size: number | undefined;
}

/** A folder that is being gone through. */
interface Level {
  readonly prefix: Key;
  readonly entries: readonly Named[];
  next: number;
}

/** Lists what is below a folder. */
export class Listing {
  readonly #ports: ListingPorts;

  constructor(ports: ListingPorts) {
    this.#ports = ports;
  }

  /** As the driver's. By hand: of generators within generators each would take a turn for every object. */
  async *list(prefix: Key, after?: Key): AsyncGenerator<ListedObject> {
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
        const size = entry.size ?? sizeOf(this.#ports.pathOf(key));
        if (size !== undefined) yield { key, size };
        else this.#ports.onOther?.(key);
      }
    }
  }

  /** In order; of objects after one only, and of what they may lie below. */
  async #entriesOf(prefix: Key, after: Key | undefined): Promise<readonly Named[]> {
    const folder = this.#ports.pathOf(prefix);
    try {
      if (after === undefined) return inOrder(await readFolder(folder));
      const isAfter = (key: Key): boolean => key > after || (key.endsWith('/') && after.startsWith(key));
      // Of a long log it is asked what lies behind its last slot, and of many names most are nothing but in the way.
      const some = (await namesIn(folder)).filter((name) => isAfter(prefix + name) || isAfter(`${prefix + name}/`));
      const named = some.length <= FEW ? some.flatMap((name) => look(folder, name)) : await readFolder(folder);
      return inOrder(named.filter(({ name }) => isAfter(prefix + name)));
    } catch (error) {
      if (isMissing(error)) return [];
      throw error;
    }
  }
}

/** The shelves of objects, read by another thread, some together. */
class Shelves {
  readonly #ports: ListingPorts;
  readonly #names: readonly string[];
  #asked = 0;
  #together = 1;
  #read: ReadonlyMap<string, readonly Named[]> = new Map();

  constructor(ports: ListingPorts, entries: readonly Named[]) {
    this.#ports = ports;
    this.#names = entries.map(({ name }) => name).filter((name) => name.endsWith('/'));
  }

  /** To be called for each, in order. */
  async take(name: string): Promise<readonly Named[] | undefined> {
    if (!this.#read.has(name)) await this.#readSome();
    return this.#read.get(name);
  }

  async #readSome(): Promise<void> {
    const names = this.#names.slice(this.#asked, this.#asked + this.#together);
    this.#asked += names.length;
    const listed = await this.#ports.thread.list(names.map((name) => this.#ports.pathOf(DATA + name)));
    const objects = listed.reduce((sum, entries) => sum + entries.length, 0);
    const each = Math.max(objects / names.length, OBJECTS_TOGETHER / MOST_SHELVES);
    this.#together = Math.max(1, Math.floor(OBJECTS_TOGETHER / each));
    this.#read = new Map(names.map((name, index) => [name, inOrder((listed[index] ?? []).map(namedOf))]));
  }
}

/** Most folders are small, and are read here: with many of them the ways to another thread and back would add up. */
function isSmall(folder: string): boolean {
  return statSync(folder).size <= SMALL_BYTES;
}

async function readFolder(folder: string): Promise<Named[]> {
  const options = { withFileTypes: true } as const;
  const entries = isSmall(folder) ? readdirSync(folder, options) : await readdir(folder, options);
  return entries.map((entry) => ({ name: entry.isDirectory() ? `${entry.name}/` : entry.name, size: undefined }));
}

async function namesIn(folder: string): Promise<string[]> {
  return isSmall(folder) ? readdirSync(folder) : await readdir(folder);
}

/** Nothing where it is gone meanwhile. A link to a folder is none, as where the whole folder is read. */
function look(folder: string, name: string): Named[] {
  const found = lstatSync(join(folder, name), { throwIfNoEntry: false });
  if (found === undefined) return [];
  return [{ name: found.isDirectory() ? `${name}/` : name, size: undefined }];
}

function inOrder(entries: readonly Named[]): readonly Named[] {
  return [...entries].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function namedOf({ name, size }: Entry): Named {
  return { name: size === undefined ? `${name}/` : name, size };
}
