import type { Batch, JournalEvent } from '../journal/events.ts';
import { unreachable } from '../oci/errors.ts';
import { listedType } from '../oci/media-types.ts';
import type { Digest, RepositoryName, Tag } from '../oci/names.ts';

/** What a change can be. The names are those of the log's events, and never change. */
export const CHANGE_TYPES = [
  'blob.linked',
  'blob.unlinked',
  'manifest.put',
  'manifest.deleted',
  'tag.set',
  'tag.deleted',
  'repo.deleted',
] as const;
export type ChangeType = (typeof CHANGE_TYPES)[number];

/** One event of one slot. Fences of garbage collection change nothing that a client sees, so they are no changes. */
export interface Change {
  /** `<repository>@<seq>.<index>`; the same change has the same id for ever. */
  readonly id: string;
  readonly repository: RepositoryName;
  /** Number of the slot in the repository's log. */
  readonly seq: number;
  /** Position of the event in its slot, from 0. */
  readonly index: number;
  /** Time of the slot: ISO 8601, UTC. */
  readonly time: string;
  /** Who did it; undefined if that is not known. */
  readonly actor?: string | undefined;
  readonly type: ChangeType;
  readonly tag?: Tag;
  /** The blob or manifest, or what the tag was set to. */
  readonly digest?: Digest;
  /** What the tag pointed to before. */
  readonly previous?: Digest | undefined;
  /** Of a manifest. */
  readonly mediaType?: string;
  /** As `listedType` has it. */
  readonly artifactType?: string | undefined;
  readonly subject?: Digest | undefined;
  /** Of a blob or manifest, in bytes. */
  readonly size?: number;
  /** The repository that a blob was mounted from. */
  readonly from?: RepositoryName | undefined;
}

export function parseChangeType(text: string): ChangeType | undefined {
  return CHANGE_TYPES.find((type) => type === text);
}

/** The changes of a slot, in the order of its events. */
export function changesOf({ repo, seq, at, events }: Pick<Batch, 'repo' | 'seq' | 'at' | 'events'>): readonly Change[] {
  const changes: Change[] = [];
  for (const [index, event] of events.entries()) {
    if (event.type === 'gc.fence') continue;
    const { actor } = event;
    changes.push({
      id: `${repo}@${seq}.${index}`,
      repository: repo,
      seq,
      index,
      time: at,
      actor,
      ...whatChanged(event),
    });
  }
  return changes;
}

type WhatChanged = Omit<Change, 'id' | 'repository' | 'seq' | 'index' | 'time' | 'actor'>;

function whatChanged(event: Exclude<JournalEvent, { type: 'gc.fence' }>): WhatChanged {
  const { type } = event;
  switch (event.type) {
    case 'blob.linked':
      return { type, digest: event.digest, size: event.size, from: event.from };
    case 'blob.unlinked':
    case 'manifest.deleted':
      return { type, digest: event.digest };
    case 'manifest.put': {
      const { digest, size, mediaType, artifactType, subject } = event;
      return { type, digest, size, mediaType, artifactType: listedType(artifactType), subject };
    }
    case 'tag.set':
      return { type, tag: event.tag, digest: event.digest, previous: event.prev };
    case 'tag.deleted':
      return { type, tag: event.tag, previous: event.prev };
    case 'repo.deleted':
      return { type };
    default:
      return unreachable(event);
  }
}
