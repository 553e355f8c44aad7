import type { RepositoryState } from '../../src/journal/fold.ts';
import type { ErrorKind } from '../../src/oci/errors.ts';
import type { RepositoryName } from '../../src/oci/names.ts';

/** The state of a repository at one point of its log. */
export type Past = Pick<RepositoryState, 'seq' | 'exists' | 'tags' | 'blobs' | 'manifests'>;

/** The answer that a client got, and when. Requests without an answer are left out: they may have been carried out or not. */
export interface Observation {
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

/** Everything that clients observed, with notes on what else happened, for debugging a failing seed. */
export class History {
  readonly observations: Observation[] = [];
  readonly notes: string[] = [];
  readonly violations: string[] = [];
  readonly #keepsNotes: boolean;

  /** @param keepsNotes notes take time: they are kept only for a replay */
  constructor(keepsNotes: boolean) {
    this.#keepsNotes = keepsNotes;
  }

  note(text: () => string): void {
    if (this.#keepsNotes) this.notes.push(text());
  }

  violated(what: string): void {
    this.violations.push(what);
    this.note(() => `VIOLATED ${what}`);
  }
}
