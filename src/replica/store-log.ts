import { hashSlot, type SlotHash } from '../journal/events.ts';
import { DifferentHistory } from '../journal/replay.ts';
import type { Durability, Key, ObjectStore, StoreReader } from '../storage/driver.ts';

/** What all slots of the store's own logs have. */
interface AnyBatch {
  readonly seq: number;
  readonly prev: SlotHash;
}

export interface StoreSlot<B extends AnyBatch> {
  readonly batch: B;
  readonly hash: SlotHash;
  /** In bytes. */
  readonly size: number;
}

/** One of the store's own logs, as a replica copies it. */
export interface StoreLogCopy<B extends AnyBatch> {
  /** For messages: `the notes`. */
  readonly name: string;
  readonly keyOf: (seq: number) => Key;
  readonly decode: (bytes: Uint8Array) => { readonly batch: B } | { readonly problem: string };
  /** For a slot that this version cannot use. */
  readonly broken: (seq: number, problem: string) => Error;
  /** The last slot here, and its hash. */
  readonly head: () => { readonly seq: number; readonly hash: SlotHash };
  /** Called for each slot, once it is durable. */
  readonly apply: (slot: StoreSlot<B>) => void;
}

export interface CopiedStoreSlot<B extends AnyBatch> extends StoreSlot<B> {
  readonly bytes: Uint8Array;
}

/**
 * Decodes slots of the source that follow the last one here.
 * @throws DifferentHistory if they do not follow it; the log's error for a slot that this version cannot use
 */
export function decodeFollowing<B extends AnyBatch>(
  texts: readonly string[],
  log: StoreLogCopy<B>,
): CopiedStoreSlot<B>[] {
  let { seq, hash } = log.head();
  return texts.map((text) => {
    const bytes = new TextEncoder().encode(text);
    const decoded = log.decode(bytes);
    if ('problem' in decoded) throw log.broken(seq + 1, decoded.problem);
    const { batch } = decoded;
    if (batch.seq !== seq + 1) throw log.broken(seq + 1, `it says it is slot ${batch.seq}`);
    if (batch.prev !== hash) throw new DifferentHistory(log.name, seq);
    [seq, hash] = [batch.seq, hashSlot(bytes)];
    return { batch, bytes, hash, size: bytes.length };
  });
}

type Store = Pick<StoreReader, 'read'> & Pick<ObjectStore, 'create'> & Pick<Durability, 'confirm'>;

/**
 * Creates the slots byte for byte, in order. Slots that exist are compared.
 * @throws DifferentHistory; errors of the store
 */
export async function createStoreSlots<B extends AnyBatch>(
  slots: readonly CopiedStoreSlot<B>[],
  log: StoreLogCopy<B>,
  driver: Store,
): Promise<void> {
  for (const slot of slots) {
    const { seq } = slot.batch;
    const key = log.keyOf(seq);
    if ((await driver.create(key, slot.bytes)) === 'taken') {
      const found = await driver.read(key);
      if (found === undefined) throw new Error(`${key} is taken but cannot be read`);
      if (hashSlot(found) !== slot.hash) throw new DifferentHistory(log.name, seq);
      await driver.confirm(key);
    }
    log.apply(slot);
  }
}
