import { forEachConcurrently } from '../collection/concurrently.ts';
import { markedRepositories } from '../collection/scan.ts';
import { hashSlot, type SlotHash } from '../journal/events.ts';
import { newestSlot } from '../journal/newest-slot.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { headerOf, type Log, STORE_LOGS, slotKeyOf } from './logs.ts';

/** Logs looked at concurrently. Each look is a few small reads. */
const CONCURRENCY = 32;

/** How far the place has a log already. */
export interface Known {
  readonly seq: number;
  readonly hash: SlotHash;
}

/** A log in a cut. */
export interface CutLog<K extends Known> {
  readonly log: Log;
  /** The part that the place has; undefined if it has none, or one of another history. */
  readonly known: K | undefined;
  /** The last slot of the cut. */
  readonly seq: number;
}

/** A position of every log of a store. */
export interface Cut<K extends Known> {
  readonly logs: readonly CutLog<K>[];
  /** Milliseconds. All slots up to this time are in it. */
  readonly moment: number;
}

/**
 * Takes a cut, without a lock and while others write. It has everything that was acknowledged before. It is also one moment: if it has a
 * slot, then it has every slot, of any log, that was acknowledged before that one was decided. The first part needs no clock; the
 * second holds as far as the clocks of the nodes agree.
 *
 * First each log's newest slot is looked for. These looks take a while, so later ones may find what happened after earlier ones. So
 * the logs are looked at once more, and get all slots up to the time at which the first looks had ended.
 * @param known what the place has of a log
 */
export async function takeCut<K extends Known>(
  reader: StoreReader,
  known: (log: Log) => K | undefined,
  now: () => number,
): Promise<Cut<K>> {
  const found = new Map<string, CutLog<K>>();
  const look = async (log: Log): Promise<void> => {
    const usable = await usableOf(reader, log, known(log));
    const exists = async (seq: number): Promise<boolean> => (await reader.head(slotKeyOf(log, seq))) !== undefined;
    found.set(nameOf(log), { log, known: usable, seq: await newestSlot(exists, usable?.seq ?? 0) });
  };
  // The notes name slots of other logs, which are looked at later. So the cut has every slot that its notes name.
  for (const kind of STORE_LOGS) await look({ kind });
  await forEachConcurrently(repositoryLogs(reader), CONCURRENCY, look);
  const moment = now();
  const lookAgain = async (log: Log): Promise<void> => {
    const first = found.get(nameOf(log)) ?? { log, known: undefined, seq: 0 };
    const seq = await lastSlotUntil(reader, log, first.seq, moment);
    if (seq === 0) found.delete(nameOf(log));
    else found.set(nameOf(log), { ...first, seq });
  };
  // The markers are listed again, because repositories may have begun meanwhile.
  await forEachConcurrently(repositoryLogs(reader), CONCURRENCY, lookAgain);
  await lookAgain({ kind: 'robots' });
  const notes = found.get(nameOf({ kind: 'notes' }));
  if (notes?.seq === 0) found.delete(nameOf(notes.log));
  const logs = [...found.values()].sort((one, other) => (nameOf(one.log) < nameOf(other.log) ? -1 : 1));
  return { logs, moment };
}

async function* repositoryLogs(reader: StoreReader): AsyncGenerator<Log> {
  for await (const repo of markedRepositories(reader)) yield { kind: 'repository', repo };
}

/** A unique name. Names of repositories contain no space. */
function nameOf(log: Log): string {
  return log.kind === 'repository' ? log.repo : ` ${log.kind}`;
}

/** A store that was restored to an earlier moment has a shorter log, or other slots. */
async function usableOf<K extends Known>(reader: StoreReader, log: Log, known: K | undefined): Promise<K | undefined> {
  if (known === undefined) return undefined;
  const bytes = await reader.read(slotKeyOf(log, known.seq));
  return bytes !== undefined && hashSlot(bytes) === known.hash ? known : undefined;
}

/** @param until milliseconds */
async function lastSlotUntil(reader: StoreReader, log: Log, from: number, until: number): Promise<number> {
  for (let seq = from; ; seq++) {
    const bytes = await reader.read(slotKeyOf(log, seq + 1));
    if (bytes === undefined || Date.parse(headerOf(log, seq + 1, bytes).at) > until) return seq;
  }
}

/** The logs of repositories that have slots beyond what the place has. */
export function newSlotsIn<K extends Known>({ logs }: Cut<K>): [RepositoryName, number][] {
  return logs.flatMap(({ log, known, seq }): [RepositoryName, number][] =>
    log.kind === 'repository' && known?.seq !== seq ? [[log.repo, seq]] : [],
  );
}
