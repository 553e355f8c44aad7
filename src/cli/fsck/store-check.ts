import type { RepositoryState } from '../../journal/fold.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Key, StoreReader } from '../../storage/driver.ts';
import {
  CATALOG,
  DATA,
  logPrefix,
  markerKey,
  REPOSITORIES,
  repositoryOfLogKey,
  repositoryOfMarker,
} from '../../storage/paths.ts';
import { type Check, linkText } from './check.ts';
import { checkContent } from './content-check.ts';
import { findLeftovers, type Leftovers, NOT_COUNTED } from './leftovers.ts';
import { checkLog, problemOf } from './log-check.ts';
import { checkNotes } from './notes-check.ts';
import { checkRobots } from './robots-check.ts';

/** Whether the repository exists: it has a marker, or a log that lost its marker. */
export async function isKnown(repo: RepositoryName, reader: StoreReader): Promise<boolean> {
  return (await reader.head(markerKey(repo))) !== undefined || (await listsAny(reader, logPrefix(repo)));
}

async function listsAny(reader: StoreReader, prefix: Key): Promise<boolean> {
  for await (const _ of reader.list(prefix)) return true;
  return false;
}

/** Checks only these repositories. */
export async function checkRepositories(repos: readonly RepositoryName[], check: Check): Promise<void> {
  check.progress.start(repos.length, 'repositories');
  for (const repo of repos) {
    if ((await check.reader.head(markerKey(repo))) === undefined) await reportUnmarked(repo, check);
    await checkRepository(repo, check);
  }
}

/**
 * Checks every log of the store, then counts objects and hints without a log entry.
 * @param startedAt milliseconds
 */
export async function checkStore(startedAt: number, check: Check): Promise<Leftovers> {
  const { progress, scrub } = check;
  const marked = await listMarked(check);
  if (scrub) progress.start(await bytesOfObjects(check), 'bytes');
  else progress.start(marked.length, 'repositories');
  const heads = new Map<RepositoryName, number>();
  let isComplete = true;
  const checkOne = async (repo: RepositoryName): Promise<void> => {
    const head = await checkRepository(repo, check);
    if (head === undefined) isComplete = false;
    else heads.set(repo, head);
  };
  for (const repo of marked) await checkOne(repo);
  for await (const repo of unmarkedLogs(check)) {
    await reportUnmarked(repo, check);
    await checkOne(repo);
  }
  await checkRobots(check);
  await checkNotes(check);
  // If one log is unreadable, the objects that only this log links would look like orphans.
  return isComplete ? await findLeftovers(heads, startedAt, check) : NOT_COUNTED;
}

/** @returns the slot up to which the log was folded; undefined if it cannot be folded */
async function checkRepository(repo: RepositoryName, check: Check): Promise<number | undefined> {
  check.progress.repository(repo);
  check.tally.repositories++;
  let state: RepositoryState | undefined;
  try {
    state = await checkLog(repo, check);
    if (state !== undefined) await checkContent(repo, state, check);
  } catch (error) {
    // For example a folder cannot be listed. The other repositories are still checked.
    await check.report({ severity: 'fault', problem: 'log-unreadable', repo, message: `its log ${problemOf(error)}` });
    return undefined;
  }
  if (state !== undefined) addToIndex(repo, state, check);
  check.progress.repositoryDone();
  return state?.seq;
}

function addToIndex(repo: RepositoryName, state: RepositoryState, { index, keptSince }: Check): void {
  for (const [digest, link] of state.blobs) index.links.add(linkText(repo, digest, link));
  // Most are in the index already, but not those of slots appended during the check.
  for (const { inc } of state.blobs.values()) index.linked.add(inc);
  for (const { inc } of state.manifests.values()) index.linked.add(inc);
  for (const [inc, at] of state.tombstones) if (at >= keptSince) index.kept.add(inc);
}

/** The maximum number of bytes that a scrub has to read. */
async function bytesOfObjects(check: Check): Promise<number> {
  let bytes = 0;
  for await (const { size } of check.reader.list(DATA)) bytes += size;
  return bytes;
}

async function listMarked(check: Check): Promise<RepositoryName[]> {
  const marked: RepositoryName[] = [];
  for await (const { key } of check.reader.list(CATALOG)) {
    const repo = repositoryOfMarker(key);
    if (repo !== undefined && markerKey(repo) === key) marked.push(repo);
    else {
      const message = `${key} is not the marker of a repository`;
      await check.report({ severity: 'warning', problem: 'foreign-object', message });
    }
  }
  return marked;
}

/** Repositories with slots or snapshots but no marker. This is never a transient state, since the marker is written before slot 1. */
async function* unmarkedLogs(check: Check): AsyncIterable<RepositoryName> {
  let last: RepositoryName | undefined;
  for await (const { key } of check.reader.list(REPOSITORIES)) {
    const repo = repositoryOfLogKey(key);
    if (repo === undefined) {
      const message = `${key} belongs to no repository`;
      await check.report({ severity: 'warning', problem: 'foreign-object', message });
    } else if (repo !== last && (await check.reader.head(markerKey(repo))) === undefined) yield repo;
    last = repo;
  }
}

async function reportUnmarked(repo: RepositoryName, check: Check): Promise<void> {
  const message = 'its marker under catalog/ is missing: it is left out of the catalog, and of garbage collection';
  await check.report({ severity: 'fault', problem: 'marker-missing', repo, message });
}
