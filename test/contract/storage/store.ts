// Shared by the parts of the storage contract.
import { randomBytes } from 'node:crypto';
import type { Algorithm } from '../../../src/oci/digest.ts';
import type { Digest, Incarnation, UploadId } from '../../../src/oci/names.ts';
import type {
  ByteRange,
  KeepState,
  Key,
  StagedPlace,
  StagedProgress,
  StagedWrite,
  StorageDriver,
  StoredObject,
} from '../../../src/storage/driver.ts';
import { countingIncarnations, countingUploadIds } from '../../support/deterministic.ts';

export interface Store {
  readonly driver: StorageDriver;
  /** The driver of another node, if two may serve the store. */
  readonly other: StorageDriver;
  /** Whether staged bytes can be read before they are committed, so that the digest of any part of them is always known. */
  readonly readsStaged: boolean;
  /** The Versity gateway accepts long names but cannot replace them; only markers have long names, and they are never replaced. */
  readonly replacesLongNames: boolean;
  /** A prefix that no other test uses. */
  freshFolder(): Key;
}

const newIncarnation: () => Incarnation = countingIncarnations(() => Date.UTC(2030, 0, 1));
const newUploadId: () => UploadId = countingUploadIds();

/** A place without staged bytes. */
export function freshPlace(): StagedPlace {
  return { upload: newUploadId(), inc: newIncarnation() };
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function random(size: number): Uint8Array {
  return new Uint8Array(randomBytes(size));
}

/** The text of an object; undefined if it is missing. */
export async function textOf(driver: Pick<StorageDriver, 'read'>, key: Key): Promise<string | undefined> {
  const bytes = await driver.read(key);
  return bytes === undefined ? undefined : new TextDecoder().decode(bytes);
}

/** The bytes of an object as they are sent to a client. */
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

/** For writes that are never continued from their state. */
export async function keepNothing(): Promise<void> {}

/** The part of a session that an upload needs between requests: the place with the last saved state, and the size. */
export class KeptUpload {
  place: StagedPlace;
  size = 0;
  digest: Digest | undefined;

  constructor(place: StagedPlace = freshPlace()) {
    this.place = place;
  }

  readonly keep: KeepState = async (state) => {
    this.place = { ...this.place, state };
  };

  save({ size, state, digest }: StagedProgress): void {
    this.place = { ...this.place, ...(state === undefined ? {} : { state }) };
    this.size = size;
    this.digest = digest;
  }

  hold(driver: StorageDriver, algorithm: Algorithm = 'sha256', from = this.size): Promise<StagedWrite> {
    return driver.stage(this.place, from, algorithm, this.keep, this.digest);
  }

  /** One request that adds these bytes, as uploads.ts makes it. */
  async add(driver: StorageDriver, bytes: Uint8Array, algorithm: Algorithm = 'sha256'): Promise<StagedProgress> {
    const write = await this.hold(driver, algorithm);
    await write.write(bytes.slice());
    const progress = await write.settle();
    await write.release();
    this.save(progress);
    return progress;
  }
}
