import { forEachConcurrently } from '../collection/concurrently.ts';
import { accept, type Decision } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import { parseDigest } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { mayLink } from '../registry/condemned.ts';
import { readHint, writeHint } from '../registry/hints.ts';
import { hasBytes, ignoreFull, sharedBytes } from '../registry/linking.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import { dataKey } from '../storage/paths.ts';
import { placeBytes } from './bytes.ts';
import type { Import } from './ports.ts';
import type { Problem, Way } from './report.ts';
import type { SourceEntry } from './source.ts';

export type LayerEntry = Extract<SourceEntry, { kind: 'layer' }>;

/** Blobs that are looked up, read or copied concurrently. */
const BLOB_CONCURRENCY = 16;

/** Bytes in our store that are to become a blob of the repository. */
interface Ready {
  readonly digest: Digest;
  readonly size: number;
  readonly inc: Incarnation;
  readonly way: Way;
  /** The incarnation that the repository links now, whose bytes are lost. */
  readonly damaged?: Incarnation;
}

/** Links blobs of one repository, all new ones with one batch of events. */
export async function importLayers(repo: RepositoryName, entries: readonly LayerEntry[], run: Import): Promise<void> {
  const ready: Ready[] = [];
  await forEachConcurrently(each(entries), BLOB_CONCURRENCY, async (entry) => {
    run.signal.throwIfAborted();
    await run.yieldToRequests();
    const found = await prepare(repo, entry, run);
    if (found !== undefined && 'problem' in found) run.tally.problem(found);
    else if (found !== undefined) ready.push(found);
    run.tally.done();
  });
  if (ready.length === 0) return;
  const { linked, refused } = await link(repo, ready, run);
  await forEachConcurrently(each(ready), BLOB_CONCURRENCY, async (blob) => {
    const { digest, size, inc, way } = blob;
    if (linked.has(inc)) {
      run.tally.blob(way, size);
      if (way !== 'shared') await writeHint(run.driver, digest, { inc, size, repo }).catch(ignoreFull);
      return;
    }
    if (refused.has(inc)) {
      const message = 'a collection has deleted its bytes in the meantime: import again';
      run.tally.problem({ problem: 'lost', repo, digest, message });
    } else {
      // A client has pushed it in the meantime.
      run.tally.blob('present', size);
    }
    if (way !== 'shared') await run.driver.delete([dataKey(inc)]);
  });
}

/** @returns undefined if the repository already has it */
async function prepare(repo: RepositoryName, entry: LayerEntry, run: Import): Promise<Ready | Problem | undefined> {
  const { driver, projection, source, tally } = run;
  const digest = parseDigest(entry.digest);
  if (digest === undefined) return unsupported(repo, entry.digest);
  const answer = await projection.blob(repo, digest);
  const existing = answer.kind === 'known' ? answer.value : undefined;
  const hint = await readHint(driver, digest);
  if (existing !== undefined && (await hasBytes(existing.inc, existing.size, run))) {
    tally.blob('present', existing.size);
    // A killed import may have left no hint. Without it the next repository would store the bytes again.
    const { inc, size } = existing;
    if (hint === undefined) await writeHint(driver, digest, { inc, size, repo }).catch(ignoreFull);
    return undefined;
  }
  const damaged = existing === undefined ? {} : { damaged: existing.inc };
  try {
    const target = await source.digestOf(entry);
    if (target === undefined) return broken(repo, entry.digest);
    const size = await source.sizeOf(target);
    if (size === undefined) return missing(repo, digest);
    const shared = hint === undefined ? undefined : await sharedBytes({ digest, size }, hint, run);
    if (shared !== undefined && shared.inc !== existing?.inc) {
      return { digest, size, inc: shared.inc, way: 'shared', ...damaged };
    }
    // The source has the bytes under `target`, so it has not verified another digest of the same bytes.
    const trusted = run.trust && target === digest;
    const placed = await placeBytes({ repo, digest, target, size, trusted }, run);
    if (placed === undefined) return wrong(repo, digest);
    return { digest, size, ...placed, ...damaged };
  } catch (error) {
    if (!(error instanceof ForeignUnreadable)) throw error;
    return { problem: 'unreadable', repo, digest, message: error.message };
  }
}

async function link(
  repo: RepositoryName,
  ready: readonly Ready[],
  run: Import,
): Promise<{ readonly linked: ReadonlySet<Incarnation>; readonly refused: ReadonlySet<Incarnation> }> {
  type Outcome = Awaited<ReturnType<typeof link>>;
  const digests = ready.map(({ digest }) => digest);
  return await run.projection.submit<Outcome>(repo, {
    needs: { blobs: digests },
    decide: async (facts): Promise<Decision<Outcome>> => {
      const times = { now: run.now(), grace: run.grace };
      const allowed = await Promise.all(ready.map(({ inc, size }) => mayLink(run.driver, inc, size, times)));
      const linked = new Set<Incarnation>();
      const refused = new Set<Incarnation>();
      const events: JournalEvent[] = [];
      for (const [index, { digest, size, inc, damaged }] of ready.entries()) {
        const present = facts.blob(digest);
        if (present !== undefined && present.inc !== damaged) continue;
        if (allowed[index] !== true) {
          refused.add(inc);
          continue;
        }
        linked.add(inc);
        events.push({ type: 'blob.linked', digest, size, inc, actor: run.actor });
      }
      return accept({ linked, refused }, ...events);
    },
  });
}

export function unsupported(repo: string, digest: string): Problem {
  return { problem: 'digest-unsupported', repo, digest, message: 'not a sha256 or sha512 digest' };
}

export function broken(repo: string, digest: string): Problem {
  return { problem: 'link-broken', repo, digest, message: 'its link holds no digest' };
}

export function missing(repo: string, digest: string): Problem {
  return { problem: 'blob-missing', repo, digest, message: 'its bytes are missing in the source' };
}

export function wrong(repo: string, digest: string): Problem {
  return { problem: 'digest-wrong', repo, digest, message: 'its bytes do not match the digest' };
}

export async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
