import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey, snapshotKey, snapshotPrefix } from '../storage/paths.ts';
import { type Batch, decodeBatch, hashSlot, type SlotHash } from './events.ts';
import { RepositoryState } from './fold.ts';
import { decodeSnapshot, type Pause } from './snapshot.ts';

/** A slot read from storage. */
export interface Slot {
  readonly batch: Batch;
  readonly hash: SlotHash;
  /** Size in bytes. */
  readonly size: number;
}

/**
 * Reads one slot; undefined when it is not written yet.
 * @throws RegistryError `log-broken` when this version cannot fold its bytes
 */
export async function readSlot(driver: StoreReader, repo: RepositoryName, seq: number): Promise<Slot | undefined> {
  const bytes = await driver.read(slotKey(repo, seq));
  return bytes === undefined ? undefined : decodeSlot(bytes, repo, seq);
}

/**
 * The time of a slot in milliseconds, without decoding the rest; undefined when it is not written yet.
 * @throws RegistryError `log-broken` when it has none
 */
export async function readSlotTime(
  driver: StoreReader,
  repo: RepositoryName,
  seq: number,
): Promise<number | undefined> {
  const bytes = await driver.read(slotKey(repo, seq));
  if (bytes === undefined) return undefined;
  return timeIn(bytes) ?? Date.parse(decodeSlot(bytes, repo, seq).batch.at);
}

/** How a slot begins: the keys of canonical JSON are sorted. */
const TIME_FIRST = /^\{"at":"([0-9TZ:.-]+)"/;
/** More than that beginning takes. */
const FIRST_BYTES = 64;

/** @returns undefined for anything that does not begin as a slot does */
function timeIn(bytes: Uint8Array): number | undefined {
  const [, at] = TIME_FIRST.exec(new TextDecoder().decode(bytes.subarray(0, FIRST_BYTES))) ?? [];
  const time = at === undefined ? Number.NaN : Date.parse(at);
  return Number.isNaN(time) ? undefined : time;
}

/** @throws RegistryError `log-broken` when this version cannot fold the bytes, or when they are those of another slot */
export function decodeSlot(bytes: Uint8Array, repo: RepositoryName, seq: number): Slot {
  const decoded = decodeBatch(bytes);
  if ('problem' in decoded) throw logBroken(repo, seq, decoded.problem);
  const { batch } = decoded;
  if (batch.repo !== repo || batch.seq !== seq)
    throw logBroken(repo, seq, `it says it is slot ${batch.seq} of ${batch.repo}`);
  return { batch, hash: hashSlot(bytes), size: bytes.length };
}

export function logBroken(repo: RepositoryName, seq: number, problem: string): RegistryError {
  return new RegistryError('log-broken', `slot ${seq} of the log of ${repo} cannot be used: ${problem}`, {
    repo,
    slot: seq,
  });
}

/** The result of folding a log. */
export interface WalkedLog {
  readonly state: RepositoryState;
  /** Slots folded after the snapshot, and their bytes. */
  readonly slots: number;
  readonly bytes: number;
  /** Bytes of the snapshot; 0 when there was none. */
  readonly snapshotBytes: number;
}

/** Slots that are read one by one before more are read at once, and how many that is then: half a millisecond of work. */
const FEW_SLOTS = 64;
const SLOTS_AT_ONCE = 64;

/** How many slots are read concurrently from a remote store, once the first one was found. */
export const READ_AHEAD = 16;

/**
 * Folds a repository from its newest usable snapshot and the slots after it, up to the first absent slot.
 * @param ahead 1, or READ_AHEAD
 */
export async function foldLog(driver: StoreReader, repo: RepositoryName, ahead = 1): Promise<WalkedLog> {
  const { state, snapshotBytes } = await nearestSnapshot(driver, repo);
  const tail = await catchUp(driver, repo, state, ahead);
  return { state, snapshotBytes, ...tail };
}

/**
 * Folds a repository up to a slot, from the nearest usable snapshot.
 * @throws RegistryError `log-broken` if the log ends before it
 */
export async function foldUpTo(
  driver: StoreReader,
  repo: RepositoryName,
  seq: number,
  ahead = 1,
): Promise<RepositoryState> {
  const { state } = await nearestSnapshot(driver, repo, seq);
  if (state.seq === seq) return state;
  for await (const slot of slotsAfter(driver, repo, state.seq, ahead)) {
    applySlot(repo, state, slot);
    if (state.seq === seq) return state;
  }
  throw logBroken(repo, seq, `it does not exist, though it did: the log ends at slot ${state.seq}`);
}

/** Folds the slots that follow the state's. Others may move the state in the meantime. */
export async function catchUp(
  driver: StoreReader,
  repo: RepositoryName,
  state: RepositoryState,
  ahead = 1,
): Promise<{ slots: number; bytes: number }> {
  let slots = 0;
  let bytes = 0;
  for await (const slot of slotsAfter(driver, repo, state.seq, ahead)) {
    if (slot.batch.seq <= state.seq) continue;
    applySlot(repo, state, slot);
    slots++;
    bytes += slot.size;
  }
  return { slots, bytes };
}

/** Reads the following slots, up to the first absent one. @param ahead 1, or READ_AHEAD for what may be many */
export async function* slotsAfter(
  driver: StoreReader,
  repo: RepositoryName,
  seq: number,
  ahead = 1,
): AsyncGenerator<Slot> {
  if (ahead === 1 || driver.readSeveral === undefined) {
    yield* eachAfter(seq, ahead, (next) => readSlot(driver, repo, next));
    return;
  }
  // Most tails are short.
  for (let next = seq + 1; next <= seq + FEW_SLOTS; next++) {
    const slot = await readSlot(driver, repo, next);
    if (slot === undefined) return;
    yield slot;
  }
  const readFrom = async (first: number): Promise<readonly (Uint8Array | undefined)[]> => {
    const keys = Array.from({ length: SLOTS_AT_ONCE }, (_, index) => slotKey(repo, first + index));
    return (await driver.readSeveral?.(keys)) ?? [];
  };
  for (let [first, reading] = [seq + FEW_SLOTS + 1, readFrom(seq + FEW_SLOTS + 1)]; ; first += SLOTS_AT_ONCE) {
    const some = await reading;
    // They are read while those before are decoded. If the caller stops there, nothing depends on them, nor on their failure.
    reading = readFrom(first + SLOTS_AT_ONCE);
    reading.catch(() => {});
    for (const [index, bytes] of some.entries()) {
      if (bytes === undefined) return;
      yield decodeSlot(bytes, repo, first + index);
    }
  }
}

/** Reads what follows in any log, up to the first that is absent. @param ahead 1, or READ_AHEAD */
export async function* eachAfter<S>(
  seq: number,
  ahead: number,
  read: (seq: number) => Promise<S | undefined>,
): AsyncGenerator<S> {
  for (let [next, together] = [seq + 1, 1]; ; next += together, together = Math.min(2 * together, ahead)) {
    const some = Array.from({ length: together }, (_, index) => read(next + index));
    for (const slot of await Promise.all(some)) {
      if (slot === undefined) return;
      yield slot;
    }
  }
}

/** @throws RegistryError `log-broken` when the slot does not have the hash of its predecessor */
export function applySlot(repo: RepositoryName, state: RepositoryState, slot: Slot): void {
  if (slot.batch.prev !== state.hash) {
    throw logBroken(repo, slot.batch.seq, `it follows ${slot.batch.prev}, but slot ${state.seq} is ${state.hash}`);
  }
  state.apply(slot.batch, slot.hash);
}

/**
 * The state of the newest usable snapshot; the empty state, with 0 bytes, if there is none.
 * @param upTo the last slot that it may include; undefined: any
 * @param pause as for `decodeSnapshot`
 */
export async function nearestSnapshot(
  driver: StoreReader,
  repo: RepositoryName,
  upTo?: number,
  pause?: Pause,
): Promise<{ state: RepositoryState; snapshotBytes: number }> {
  // Listed in descending order of their slots.
  const after = upTo === undefined ? undefined : snapshotKey(repo, upTo + 1);
  for await (const { key } of driver.list(snapshotPrefix(repo), after)) {
    const bytes = await driver.read(key);
    const state = bytes === undefined ? undefined : await decodeSnapshot(repo, bytes, pause);
    if (bytes !== undefined && state !== undefined) return { state, snapshotBytes: bytes.length };
  }
  return { state: new RepositoryState(), snapshotBytes: 0 };
}
