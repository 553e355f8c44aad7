import { RegistryError } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey, snapshotPrefix } from '../storage/paths.ts';
import { type Batch, decodeBatch, hashSlot, type SlotHash } from './events.ts';
import { RepositoryState } from './fold.ts';
import { decodeSnapshot } from './snapshot.ts';

/** One slot as it was read. */
export interface Slot {
  readonly batch: Batch;
  readonly hash: SlotHash;
  /** Length of its bytes. */
  readonly size: number;
}

/**
 * Reads one slot; undefined when nobody has written it yet.
 * @throws RegistryError `log-broken` when its bytes are no batch that this version may fold
 */
export async function readSlot(driver: StoreReader, repo: RepositoryName, seq: number): Promise<Slot | undefined> {
  const bytes = await driver.read(slotKey(repo, seq));
  if (bytes === undefined) return undefined;
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

/** What a walk along the log saw. */
export interface WalkedLog {
  readonly state: RepositoryState;
  /** Slots folded since the snapshot that the walk began with, and their bytes. */
  readonly slots: number;
  readonly bytes: number;
  /** Bytes of that snapshot; 0 when there was none. */
  readonly snapshotBytes: number;
}

/** Folds a repository from its newest usable snapshot and the slots after it, up to the first slot that is absent. */
export async function foldLog(driver: StoreReader, repo: RepositoryName): Promise<WalkedLog> {
  const { state, snapshotBytes } = await newestSnapshot(driver, repo);
  const tail = await catchUp(driver, repo, state);
  return { state, snapshotBytes, ...tail };
}

/** Folds the slots after the state's, one after another. The state may move meanwhile by others' doing. */
export async function catchUp(
  driver: StoreReader,
  repo: RepositoryName,
  state: RepositoryState,
): Promise<{ slots: number; bytes: number }> {
  let slots = 0;
  let bytes = 0;
  for (;;) {
    const seq = state.seq + 1;
    const slot = await readSlot(driver, repo, seq);
    if (state.seq + 1 !== seq) continue;
    if (slot === undefined) return { slots, bytes };
    applySlot(repo, state, slot);
    slots++;
    bytes += slot.size;
  }
}

/** @throws RegistryError `log-broken` when the slot does not carry the hash of the one before */
export function applySlot(repo: RepositoryName, state: RepositoryState, slot: Slot): void {
  if (slot.batch.prev !== state.hash) {
    throw logBroken(repo, slot.batch.seq, `it follows ${slot.batch.prev}, but slot ${state.seq} is ${state.hash}`);
  }
  state.apply(slot.batch, slot.hash);
}

async function newestSnapshot(
  driver: StoreReader,
  repo: RepositoryName,
): Promise<{ state: RepositoryState; snapshotBytes: number }> {
  for await (const { key } of driver.list(snapshotPrefix(repo))) {
    const bytes = await driver.read(key);
    const state = bytes === undefined ? undefined : await decodeSnapshot(repo, bytes);
    if (bytes !== undefined && state !== undefined) return { state, snapshotBytes: bytes.length };
  }
  return { state: new RepositoryState(), snapshotBytes: 0 };
}
