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

/** What no log explains. None of it does harm: garbage collection frees orphans, and hints are checked at each use. */
export interface Leftovers {
  /** Objects that no log links, and none lately. undefined: not counted. */
  readonly orphans?: Amount;
  /** Objects that were unlinked less than GC_GRACE ago: what they were can be brought back. undefined: not counted. */
  readonly kept?: Amount;
  /** Hints that name something else than the log of their repository links. undefined: not counted. */
  readonly wrongHints?: number;
}

interface Amount {
  readonly count: number;
  readonly bytes: number;
}

export const NOT_COUNTED: Leftovers = {};

/**
 * @param heads up to which slot each log was folded
 * @param startedAt milliseconds: objects that are younger belong to uploads of this moment
 */
export async function findLeftovers(
  heads: ReadonlyMap<RepositoryName, number>,
  startedAt: number,
  check: Check,
): Promise<Leftovers> {
  check.progress.repository('what no log links');
  // A check can take hours: what was linked since its logs were folded is nobody's orphan.
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

/** Takes note of everything that a log links from this slot on. Whether it still does is of no matter here. */
async function followLog(repo: RepositoryName, from: number, check: Check): Promise<boolean> {
  const { reader, seen } = check;
  for (let seq = from; ; seq++) {
    try {
      const slot = await readSlot(reader, repo, seq);
      if (slot === undefined) return true;
      for (const event of slot.batch.events) {
        if (event.type === 'blob.linked') seen.links.add(linkText(repo, event.digest, event));
        if (event.type === 'blob.linked' || event.type === 'manifest.put') seen.linked.add(event.inc);
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
  const { seen } = check;
  for await (const { key, size } of check.reader.list(DATA)) {
    const inc = incarnationOfDataKey(key);
    if (inc === undefined) await reportForeign(`${key} is no object`, check);
    else if (!seen.linked.has(inc) && (seen.kept.has(inc) || decodeTime(inc) < startedAt)) {
      const amount = seen.kept.has(inc) ? kept : orphans;
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
      await reportForeign(`${key} is no hint`, check);
      continue;
    }
    const hint = await readHint(check.reader, digest);
    const isRight = hint !== undefined && check.seen.links.has(linkText(hint.repo, digest, hint));
    if (isRight || (hint !== undefined && decodeTime(hint.inc) >= startedAt)) continue;
    wrong++;
    if (hint === undefined || named.has(hint.repo)) continue;
    named.add(hint.repo);
    await reportLostLog(hint.repo, digest, check);
  }
  return wrong;
}

/** A hint is written after the slot that it tells of, and slots are never deleted. */
async function reportLostLog(repo: RepositoryName, digest: Digest, check: Check): Promise<void> {
  if ((await check.reader.head(slotKey(repo, 1))) !== undefined) return;
  const message = 'a hint says that this repository linked it, but the repository has no log: was it lost?';
  await check.report({ severity: 'warning', problem: 'log-lost', repo, digest, message });
}

async function reportForeign(message: string, check: Check): Promise<void> {
  await check.report({ severity: 'warning', problem: 'foreign-object', message });
}
