import type { ManifestsPorts } from '../registry/manifests.ts';
import type { Key, StagedWrites } from '../storage/driver.ts';
import type { ForeignStore } from '../storage/foreign.ts';
import type { ImportRequest } from './report.ts';
import type { Tally } from './tally.ts';

/** The store that a tree is taken over into. */
export interface ImportPorts extends Omit<ManifestsPorts, 'cache' | 'deletes' | 'later' | 'parse' | 'policy'> {
  readonly driver: ManifestsPorts['driver'] & StagedWrites;
  /** The store's ULID. */
  readonly store: string;
  /** To be awaited between small pieces of work: lets requests in. */
  readonly breathe: () => Promise<void>;
}

/** One import under way. */
export interface Import extends ImportPorts, Pick<ImportRequest, 'trust' | 'moveTags'> {
  readonly source: ForeignStore;
  /** Where the tree begins in the source. */
  readonly root: Key;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  /** Manifests that our store has as something else than the tree says, as `<repository> <digest>`: no tag is set to them. */
  readonly contradicted: Set<string>;
}
