import type { Key, ListedObject, StoreReader } from './driver.ts';

/** The keys below `prefix` (which ends with `/`) in ascending byte order. */
export function keysBelow(reader: Pick<StoreReader, 'list' | 'listKeys'>, prefix: Key): AsyncIterable<Key> {
  // Without a generator around it, which would add microtasks for each key.
  return reader.listKeys?.(prefix) ?? keysOf(reader.list(prefix));
}

async function* keysOf(objects: AsyncIterable<ListedObject>): AsyncGenerator<Key> {
  for await (const { key } of objects) yield key;
}
