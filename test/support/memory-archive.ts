import { algorithmOf, digestOf } from '../../src/oci/digest.ts';
import type { Archive, Copy } from '../../src/storage/archive.ts';
import { piecesOf } from '../../src/storage/digest-object.ts';
import type { Key, ListedObject, StoredObject } from '../../src/storage/driver.ts';
import { MemoryDriver } from '../../src/storage/memory/driver.ts';

/** An archive in a Map, for inspection by tests. */
export class MemoryArchive implements Archive {
  readonly kind = 'memory';
  readonly place = 'memory';
  readonly isAlone = false;
  readonly objects = new Map<Key, Uint8Array>();
  readonly #driver = new MemoryDriver(this.objects);

  async isEmpty(): Promise<boolean> {
    return this.objects.size === 0;
  }

  read(key: Key): Promise<Uint8Array | undefined> {
    return this.#driver.read(key);
  }

  open(key: Key): Promise<StoredObject | undefined> {
    return this.#driver.open(key);
  }

  head(key: Key): Promise<{ readonly size: number } | undefined> {
    return this.#driver.head(key);
  }

  list(prefix: Key, after?: Key): AsyncIterable<ListedObject> {
    return this.#driver.list(prefix, after);
  }

  async write(key: Key, bytes: Uint8Array): Promise<void> {
    await this.#driver.put(key, bytes);
  }

  writeLast(key: Key, bytes: Uint8Array): Promise<void> {
    return this.write(key, bytes);
  }

  async copy(key: Key, source: StoredObject, { digest, onBytes }: Copy): Promise<boolean> {
    const pieces: Uint8Array[] = [];
    for await (const piece of piecesOf(source.body, source.size)) pieces.push(piece.slice());
    const bytes = Buffer.concat(pieces);
    if (bytes.length !== source.size || digestOf(algorithmOf(digest), bytes) !== digest) return false;
    await this.write(key, bytes);
    await onBytes(bytes.length);
    return true;
  }

  async remove(keys: readonly Key[]): Promise<void> {
    await this.#driver.delete(keys);
  }

  async settle(): Promise<void> {}

  async close(): Promise<void> {}
}
