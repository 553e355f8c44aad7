import type { RepositoryState } from '../../src/journal/fold.ts';
import type { ErrorKind } from '../../src/oci/errors.ts';
import type { RepositoryName } from '../../src/oci/names.ts';

/** What a repository was at one point of its log. */
export type Past = Pick<RepositoryState, 'seq' | 'exists' | 'tags' | 'blobs' | 'manifests'>;

/** What a client was told, and when. Operations without an answer are not told of: they may have happened or not. */
export interface Told {
  readonly what: string;
  readonly repo: RepositoryName;
  /** `read`: at the end of a slot. `write`: somewhere within, for commands of one batch see each other. */
  readonly kind: 'read' | 'write';
  /** The scheduler's steps when the node began with it, and when it answered. */
  readonly begin: number;
  readonly end: number;
  /** How the events of this operation are signed. */
  readonly label: string;
  /** An acknowledged write that cannot have been without an event. */
  readonly hasEvents?: boolean;
  /** Whether that is true of the repository as it was. */
  readonly holds: (past: Past) => boolean;
}

/** The answer of a node. `unknown`: none, or one that promises nothing. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: ErrorKind }
  | { readonly kind: 'unknown' };

/** All that clients were told, and what happened beside it, for whoever looks for the reason of a failure. */
export class History {
  readonly told: Told[] = [];
  readonly notes: string[] = [];
  readonly violations: string[] = [];
  readonly #isKept: boolean;

  /** @param isKept whether notes are kept: they take time */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  note(text: () => string): void {
    if (this.#isKept) this.notes.push(text());
  }

  violated(what: string): void {
    this.violations.push(what);
    this.note(() => `VIOLATED ${what}`);
  }
}
