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

/** Whether there is anything of this repository: a marker, or a log that lost its marker. */
export async function isKnown(repo: RepositoryName, reader: StoreReader): Promise<boolean> {
  return (await reader.head(markerKey(repo))) !== undefined || (await readsAny(reader, logPrefix(repo)));
}

async function readsAny(reader: StoreReader, prefix: Key): Promise<boolean> {
  for await (const _ of reader.list(prefix)) return true;
  return false;
}

/** Checks these repositories only. */
export async function checkRepositories(repos: readonly RepositoryName[], check: Check): Promise<void> {
  check.progress.start(repos.length, 'repositories');
  for (const repo of repos) {
    if ((await check.reader.head(markerKey(repo))) === undefined) await reportUnmarked(repo, check);
    await checkRepository(repo, check);
  }
}

/**
 * Checks every log of the store, and then looks for what no log explains.
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
  // Without one log, what only that one links would seem to be nobody's.
  return isComplete ? await findLeftovers(heads, startedAt, check) : NOT_COUNTED;
}

/** @returns the slot up to which the log was folded; undefined when it cannot be */
async function checkRepository(repo: RepositoryName, check: Check): Promise<number | undefined> {
  check.progress.repository(repo);
  check.tally.repositories++;
  let state: RepositoryState | undefined;
  try {
    state = await checkLog(repo, check);
    if (state !== undefined) await checkContent(repo, state, check);
  } catch (error) {
    // A folder that cannot be listed: the other repositories are checked nevertheless.
    await check.report({ severity: 'fault', problem: 'log-unreadable', repo, message: `its log ${problemOf(error)}` });
    return undefined;
  }
  if (state !== undefined) remember(repo, state, check);
  check.progress.repositoryDone();
  return state?.seq;
}

function remember(repo: RepositoryName, state: RepositoryState, { seen, keptSince }: Check): void {
  for (const [digest, link] of state.blobs) seen.links.add(linkText(repo, digest, link));
  // Some are there already; not those of slots that were appended meanwhile.
  for (const { inc } of state.blobs.values()) seen.linked.add(inc);
  for (const { inc } of state.manifests.values()) seen.linked.add(inc);
  for (const [inc, at] of state.tombstones) if (at >= keptSince) seen.kept.add(inc);
}

/** All that a scrub could have to read. */
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
      const message = `${key} is the marker of no repository`;
      await check.report({ severity: 'warning', problem: 'foreign-object', message });
    }
  }
  return marked;
}

/** Repositories that have slots or snapshots but no marker. A marker is there before slot 1, so there is no moment for that. */
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
