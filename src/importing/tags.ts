import { forEachConcurrently } from '../collection/concurrently.ts';
import { accept, type Decision } from '../journal/command.ts';
import type { JournalEvent } from '../journal/events.ts';
import { type Digest, parseTag, type RepositoryName, type Tag } from '../oci/names.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import { each } from './layers.ts';
import { contradictedKey } from './manifests.ts';
import type { Import } from './ports.ts';
import type { Problem } from './report.ts';
import type { SourceEntry } from './source.ts';

export type TagEntry = Extract<SourceEntry, { kind: 'tag' }>;

/** Links that are read concurrently. */
const LINK_CONCURRENCY = 16;

export interface PlacedTag {
  readonly tag: Tag;
  readonly digest: Digest;
}

interface Outcome {
  readonly set: number;
  readonly present: number;
  readonly problems: readonly Problem[];
}

/** Sets tags of one repository whose manifests are present, with one batch of events. */
export async function importTags(repo: RepositoryName, entries: readonly TagEntry[], run: Import): Promise<void> {
  const tags = await readTags(repo, entries, run);
  if (tags.length > 0) {
    const { set, present, problems } = await run.projection.submit<Outcome>(repo, {
      needs: { tags: tags.map(({ tag }) => tag), manifests: tags.map(({ digest }) => digest) },
      decide: (facts): Decision<Outcome> => {
        const events: JournalEvent[] = [];
        const found: Problem[] = [];
        let same = 0;
        for (const { tag, digest } of tags) {
          const prev = facts.tag(tag);
          if (prev === digest) same++;
          else if (run.contradicted.has(contradictedKey(repo, digest))) found.push(contradicted(repo, { tag, digest }));
          else if (facts.manifest(digest) === undefined) found.push(dangling(repo, { tag, digest }));
          else if (prev !== undefined && !run.moveTags) found.push(differs(repo, { tag, digest }, prev));
          else events.push({ type: 'tag.set', tag, digest, ...(prev === undefined ? {} : { prev }), actor: run.actor });
        }
        return accept({ set: events.length, present: same, problems: found }, ...events);
      },
    });
    run.tally.tags.set += set;
    run.tally.tags.present += present;
    for (const problem of problems) run.tally.problem(problem);
  }
  for (const _ of entries) run.tally.done();
}

/** The digests that the tags of the source point to. */
export async function readTags(
  repo: RepositoryName,
  entries: readonly TagEntry[],
  run: Pick<Import, 'source' | 'tally' | 'signal' | 'yieldToRequests'>,
): Promise<PlacedTag[]> {
  const tags: PlacedTag[] = [];
  await forEachConcurrently(each(entries), LINK_CONCURRENCY, async (entry) => {
    run.signal.throwIfAborted();
    await run.yieldToRequests();
    const tag = parseTag(entry.tag);
    if (tag === undefined) {
      const message = 'not a valid tag';
      run.tally.problem({ problem: 'tag-invalid', repo, tag: entry.tag, message });
      return;
    }
    try {
      const digest = await run.source.digestOf(entry);
      if (digest !== undefined) tags.push({ tag, digest });
      else run.tally.problem({ problem: 'link-broken', repo, tag, message: 'its link holds no digest' });
    } catch (error) {
      if (!(error instanceof ForeignUnreadable)) throw error;
      run.tally.problem({ problem: 'unreadable', repo, tag, message: error.message });
    }
  });
  return tags;
}

export function dangling(repo: string, { tag, digest }: PlacedTag): Problem {
  return { problem: 'tag-dangling', repo, tag, digest, message: 'the manifest that it points to is missing' };
}

export function contradicted(repo: string, { tag, digest }: PlacedTag): Problem {
  const message = 'the manifest that it points to has another media type here';
  return { problem: 'tag-dangling', repo, tag, digest, message };
}

export function differs(repo: string, { tag, digest }: PlacedTag, now: Digest): Problem {
  const message = `it points to ${now} here and was not changed; --move-tags changes it`;
  return { problem: 'tag-differs', repo, tag, digest, message };
}
