import type { Key, StoreReader } from './driver.ts';

/** The keys below `prefix` (which ends with `/`) in ascending byte order. */
export async function* keysBelow(reader: Pick<StoreReader, 'list' | 'listKeys'>, prefix: Key): AsyncGenerator<Key> {
  if (reader.listKeys === undefined) for await (const { key } of reader.list(prefix)) yield key;
  else yield* reader.listKeys(prefix);
}
