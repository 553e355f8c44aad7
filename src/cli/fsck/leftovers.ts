import { decodeTime } from 'ulid';
import { readSlot } from '../../journal/log.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import { readHint } from '../../registry/hints.ts';
import {
  CATALOG,
  DATA,
  digestOfHintKey,
  HINTS,
  incarnationOfDataKey,
  repositoryOfMarker,
  slotKey,
} from '../../storage/paths.ts';
import { type Check, linkText } from './check.ts';
import { problemOf } from './log-check.ts';

/** Objects and hints without a log entry. They are harmless: garbage collection frees orphans, and hints are checked at each use. */
export interface Leftovers {
  /** Objects that no log links or has linked recently; undefined: not counted. */
  readonly orphans?: Amount;
  /** Objects unlinked less than GC_GRACE ago, which can be restored; undefined: not counted. */
  readonly kept?: Amount;
  /** Hints that disagree with the log of their repository; undefined: not counted. */
  readonly wrongHints?: number;
}

interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export const NOT_COUNTED: Leftovers = {};

/**
 * Counts the leftovers of the whole store.
 * @param heads the slot up to which each log was folded
 * @param startedAt milliseconds; younger objects may belong to uploads in progress
 */
export async function findLeftovers(
  heads: ReadonlyMap<RepositoryName, number>,
  startedAt: number,
  check: Check,
): Promise<Leftovers> {
  check.progress.repository('unlinked objects');
  // A check can take hours. Objects that were linked since the logs were folded are not orphans.
  if (!(await followAppends(heads, check))) return NOT_COUNTED;
  return { ...(await countUnlinked(startedAt, check)), wrongHints: await countWrongHints(startedAt, check) };
}

async function followAppends(heads: ReadonlyMap<RepositoryName, number>, check: Check): Promise<boolean> {
  for (const [repo, head] of heads) if (!(await followLog(repo, head + 1, check))) return false;
  for await (const { key } of check.reader.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo !== undefined && !heads.has(repo) && !(await followLog(repo, 1, check))) return false;
  }
  return true;
}

/** Records everything that a log links from this slot on, even if it is unlinked later. */
async function followLog(repo: RepositoryName, from: number, check: Check): Promise<boolean> {
  const { reader, index } = check;
  for (let seq = from; ; seq++) {
    try {
      const slot = await readSlot(reader, repo, seq);
      if (slot === undefined) return true;
      for (const event of slot.batch.events) {
        if (event.type === 'blob.linked') index.links.add(linkText(repo, event.digest, event));
        if (event.type === 'blob.linked' || event.type === 'manifest.put') index.linked.add(event.inc);
      }
    } catch (error) {
      const message = `appended during the check: ${problemOf(error)}`;
      await check.report({ severity: 'fault', problem: 'slot-unusable', repo, slot: seq, message });
      return false;
    }
  }
}

async function countUnlinked(startedAt: number, check: Check): Promise<Pick<Required<Leftovers>, 'orphans' | 'kept'>> {
  const orphans = { count: 0, bytes: 0 };
  const kept = { count: 0, bytes: 0 };
  const { index } = check;
  for await (const { key, size } of check.reader.list(DATA)) {
    const inc = incarnationOfDataKey(key);
    if (inc === undefined) await reportForeign(`${key} is not an object`, check);
    else if (!index.linked.has(inc) && (index.kept.has(inc) || decodeTime(inc) < startedAt)) {
      const amount = index.kept.has(inc) ? kept : orphans;
      amount.count++;
      amount.bytes += size;
    }
  }
  return { orphans, kept };
}

async function countWrongHints(startedAt: number, check: Check): Promise<number> {
  let wrong = 0;
  const named = new Set<RepositoryName>();
  for await (const { key } of check.reader.list(HINTS)) {
    const digest = digestOfHintKey(key);
    if (digest === undefined) {
      await reportForeign(`${key} is not a hint`, check);
      continue;
    }
    const hint = await readHint(check.reader, digest);
    const isRight = hint !== undefined && check.index.links.has(linkText(hint.repo, digest, hint));
    if (isRight || (hint !== undefined && decodeTime(hint.inc) >= startedAt)) continue;
    wrong++;
    if (hint === undefined || named.has(hint.repo)) continue;
    named.add(hint.repo);
    await reportLostLog(hint.repo, digest, check);
  }
  return wrong;
}

/** Reports a hint to a repository without a log. A hint is written after its slot, and slots are never deleted. */
async function reportLostLog(repo: RepositoryName, digest: Digest, check: Check): Promise<void> {
  if ((await check.reader.head(slotKey(repo, 1))) !== undefined) return;
  const message = 'a hint says that this repository linked it, but the repository has no log: was it lost?';
  await check.report({ severity: 'warning', problem: 'log-lost', repo, digest, message });
}

async function reportForeign(message: string, check: Check): Promise<void> {
  await check.report({ severity: 'warning', problem: 'foreign-object', message });
}
