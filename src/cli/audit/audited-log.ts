import { encodeRobotBatch, type RobotEvent } from '../../access/robots/events.ts';
import { readRobotSlot } from '../../access/robots/slot.ts';
import { encodeBatch, hashSlot, type JournalEvent, type SlotHash } from '../../journal/events.ts';
import { readSlot } from '../../journal/log.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Key, StoreReader } from '../../storage/driver.ts';
import { CATALOG, logPrefix, ROBOTS, repositoryOfMarker, robotSlotKey, slotKey } from '../../storage/paths.ts';

/** A log whose writes are audited. */
export type AuditedLog = { readonly kind: 'repository'; readonly repo: RepositoryName } | { readonly kind: 'robots' };

export type AuditedEvent = JournalEvent | RobotEvent;

/** A slot of any log. */
export interface AuditedSlot {
  readonly seq: number;
  /** ISO 8601. */
  readonly at: string;
  readonly node: string;
  readonly events: readonly AuditedEvent[];
  readonly prev: SlotHash;
  readonly hash: SlotHash;
  /** Whether its bytes are the canonical encoding of its content. */
  readonly isCanonical: () => boolean;
  /** In bytes. */
  readonly size: number;
}

export const ROBOTS_LOG: AuditedLog = { kind: 'robots' };

export function nameOfLog(log: AuditedLog): string {
  return log.kind === 'robots' ? 'robots' : log.repo;
}

/** @throws RegistryError `log-broken` if this version cannot use its bytes */
export async function readAuditedSlot(
  reader: StoreReader,
  log: AuditedLog,
  seq: number,
): Promise<AuditedSlot | undefined> {
  if (log.kind === 'robots') {
    const slot = await readRobotSlot(reader, seq);
    if (slot === undefined) return undefined;
    const { batch, hash, size } = slot;
    return { ...batch, hash, size, isCanonical: () => hashSlot(encodeRobotBatch(batch)) === hash };
  }
  const slot = await readSlot(reader, log.repo, seq);
  if (slot === undefined) return undefined;
  const { batch, hash, size } = slot;
  return { ...batch, hash, size, isCanonical: () => hashSlot(encodeBatch(batch)) === hash };
}

/** The number of the first slot after `seq` in a listing. */
export async function nextListed(reader: StoreReader, log: AuditedLog, seq: number): Promise<number | undefined> {
  const [prefix, after] = placeOf(log, seq);
  for await (const { key } of reader.list(prefix, after)) {
    const found = Number(key.slice(prefix.length));
    if (Number.isSafeInteger(found) && found > seq) return found;
  }
  return undefined;
}

function placeOf(log: AuditedLog, seq: number): readonly [prefix: Key, slot: Key] {
  return log.kind === 'robots' ? [ROBOTS, robotSlotKey(seq)] : [logPrefix(log.repo), slotKey(log.repo, seq)];
}

/** The logs of all repositories, including deleted ones. */
export async function* repositoryLogs(reader: StoreReader): AsyncGenerator<AuditedLog> {
  for await (const { key } of reader.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo !== undefined) yield { kind: 'repository', repo };
  }
}
