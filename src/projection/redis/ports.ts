import type { WriterPorts } from '../../journal/writer.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Projection } from '../projection.ts';
import type { RedisCommands } from './commands.ts';

/** Events of the projection, for metrics and logs. */
export interface ProjectionObserver {
  /** A view was verified against the log: it was current, slots were applied, or it was rebuilt. */
  readonly healed: (how: 'verified' | 'caught up' | 'rebuilt') => void;
  /** The keys of a repository, or of the catalog, were discarded because another program wrote to them. */
  readonly malformed: (what: RepositoryName | 'the catalog', error: Error) => void;
  /** The catalog could not be listed in the background. Called once until a listing succeeds. */
  readonly listingFailed: (error: unknown) => void;
  /** A read was served from storage: Redis is gone, or another node heals the repository. */
  readonly fellBack: (why: 'gone' | 'busy') => void;
  /** A write waited for this node's turn, for the given time (milliseconds). */
  readonly waitedForTurn: (milliseconds: number) => void;
}

export interface RedisProjectionPorts extends WriterPorts {
  readonly redis: RedisCommands;
  /** The store's ULID: every key begins with it. */
  readonly store: string;
  /** Serves reads from storage, probing the log at each use. */
  readonly fold: Fold;
  readonly observer: ProjectionObserver;
}

/** A projection that needs no Redis: MemoryProjection with `probe`. */
export interface Fold extends Projection {
  /** Existence and newest slot of a repository, by its log. */
  newest(repo: RepositoryName): Promise<{ readonly exists: boolean; readonly seq: number }>;
  /** The slot up to which a resident repository is folded; 0 for others. */
  folded(repo: RepositoryName): number;
}
