import type { Digest, Incarnation, RepositoryName, Tag } from '../../oci/names.ts';

/**
 * `fault`: a promise is broken. `warning`: allowed, but worth knowing. `note`: about the check itself.
 */
export type Severity = 'fault' | 'warning' | 'note';

/** The kind of finding, for programs; the message is for people. */
export type Problem =
  | 'slot-missing'
  | 'slot-unusable'
  | 'slot-altered'
  | 'chain-broken'
  | 'log-unreadable'
  | 'log-unfolded'
  | 'log-empty'
  | 'log-lost'
  | 'log-resumed'
  | 'snapshot-unusable'
  | 'snapshot-wrong'
  | 'snapshot-ahead'
  | 'snapshot-other-version'
  | 'marker-missing'
  | 'object-missing'
  | 'object-length'
  | 'object-unreadable'
  | 'object-digest'
  | 'manifest-invalid'
  | 'manifest-recorded-wrong'
  | 'blob-missing'
  | 'reference-absent'
  | 'tag-dangling'
  | 'foreign-object';

/** The location of a finding. */
interface Place {
  readonly repo?: RepositoryName;
  /** A log that is no repository's. */
  readonly log?: 'robots' | 'notes';
  readonly slot?: number;
  readonly tag?: Tag;
  readonly digest?: Digest;
  /** For `blob-missing`: the blob that the manifest needs. */
  readonly blob?: Digest;
  readonly inc?: Incarnation;
}

export interface Finding extends Place {
  readonly severity: Severity;
  readonly problem: Problem;
  /** What is wrong, without repeating the place. */
  readonly message: string;
}

/** Called with each finding as it is found. */
export type ReportFinding = (finding: Finding) => Promise<void>;

/** Counts of what was checked so far. */
export interface Tally {
  repositories: number;
  slots: number;
  snapshots: number;
  /** Distinct linked objects, and their bytes. */
  objects: number;
  bytes: number;
  /** Objects whose digest was computed from their bytes. */
  verified: number;
}
