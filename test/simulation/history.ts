import type { RepositoryState } from '../../src/journal/fold.ts';
import type { ErrorKind } from '../../src/oci/errors.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import type { Recorded } from '../support/linearizability.ts';

/** The state of a repository at one point of its log. */
export type PastState = Pick<RepositoryState, 'seq' | 'exists' | 'tags' | 'blobs' | 'manifests'>;

/** An answer that a client got, and when. Requests without an answer are omitted: they may have taken effect or not. */
export interface Observation {
  readonly what: string;
  readonly repo: RepositoryName;
  /** `read`: true at the end of a slot. `write`: true anywhere within one, because commands of one batch see each other. */
  readonly kind: 'read' | 'write';
  /** The scheduler's steps when the node began with it, and when it answered. */
  readonly begin: number;
  readonly end: number;
  /** The label in the actor of its events. */
  readonly label: string;
  /** An acknowledged write that must have an event. */
  readonly hasEvents?: boolean;
  /** What a write claims about the state just before its first event or, if it has none, about the state that `holds` is true of. */
  readonly heldBefore?: ((state: PastState) => boolean) | undefined;
  /** Whether the answer is true of this state. */
  readonly holds: (state: PastState) => boolean;
}

/** The answer of a node. `unknown`: none, or one that guarantees nothing. */
export type Outcome<T> =
  | { readonly kind: 'ok'; readonly value: T }
  | { readonly kind: 'refused'; readonly error: ErrorKind }
  | { readonly kind: 'unknown' };

/** Everything that clients observed, with notes on other events, for debugging a failing seed. */
export class History {
  readonly observations: Observation[] = [];
  /** What clients asked of tags, for a judge that is not ours. */
  readonly tags: Recorded[] = [];
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
