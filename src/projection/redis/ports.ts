import type { WriterPorts } from '../../journal/writer.ts';
import type { RepositoryName } from '../../oci/names.ts';
import type { Projection } from '../projection.ts';
import type { RedisCommands } from './commands.ts';

/** What the projection tells whoever counts. */
export interface ProjectionObserver {
  /** A view was compared with the log: it was its newest state, slots were missing, or it was made anew. */
  readonly healed: (how: 'verified' | 'caught up' | 'rebuilt') => void;
  /** Somebody else wrote to what Redis holds of a repository, or of the catalog: that was thrown away. */
  readonly malformed: (what: RepositoryName | 'the catalog', error: Error) => void;
  /** A read was answered from storage: Redis did not answer, or another node was healing the repository. */
  readonly fellBack: (why: 'gone' | 'busy') => void;
  /** A write waited until it was this node's turn, for so long (milliseconds). */
  readonly waitedForTurn: (milliseconds: number) => void;
}

export interface RedisProjectionPorts extends WriterPorts {
  readonly redis: RedisCommands;
  /** ULID of the store: every key begins with it. */
  readonly store: string;
  /** Answers reads from storage, probing the log at each use. */
  readonly fold: Fold;
  readonly observer: ProjectionObserver;
}

/** A view that needs no Redis, and tells how far it is: MemoryProjection with its probe. */
export interface Fold extends Projection {
  /** Existence and newest slot of a repository, by its log. */
  newest(repo: RepositoryName): Promise<{ readonly exists: boolean; readonly seq: number }>;
  /** How far a repository was folded already; 0 when it is not in memory. */
  folded(repo: RepositoryName): number;
}
