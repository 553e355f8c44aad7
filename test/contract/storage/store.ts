// What the parts of the storage contract share.
import { randomBytes } from 'node:crypto';
import type { Incarnation, UploadId } from '../../../src/oci/names.ts';
import type { ByteRange, Key, StagedPlace, StorageDriver, StoredObject } from '../../../src/storage/driver.ts';
import { countingIncarnations, countingUploadIds } from '../../support/deterministic.ts';

export interface Store {
  readonly driver: StorageDriver;
  /** A prefix that no other test uses. */
  freshFolder(): Key;
}

const newIncarnation: () => Incarnation = countingIncarnations(() => Date.UTC(2030, 0, 1));
const newUploadId: () => UploadId = countingUploadIds();

/** Where nothing was ever staged. */
export function freshPlace(): StagedPlace {
  return { upload: newUploadId(), inc: newIncarnation() };
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function random(size: number): Uint8Array {
  return new Uint8Array(randomBytes(size));
}

/** The text of an object, undefined when it is missing. */
export async function textOf(driver: StorageDriver, key: Key): Promise<string | undefined> {
  const bytes = await driver.read(key);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The bytes of an object as they go to a client. */
export async function sentBytes(
  { size, body }: StoredObject,
  range: ByteRange = { start: 0, end: size },
): Promise<Uint8Array> {
  if (body.kind === 'file') return await Bun.file(body.path).slice(range.start, range.end).bytes();
  return await new Response(body.open(range)).bytes();
}

export async function keysOf(driver: StorageDriver, prefix: Key, after?: Key): Promise<Key[]> {
  const keys: Key[] = [];
  for await (const { key } of driver.list(prefix, after)) keys.push(key);
  return keys;
}

/** For writes whose place nobody goes on with from its state alone. */
export async function keepNothing(): Promise<void> {}
