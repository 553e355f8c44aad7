import type { RepositoryName } from '../oci/names.ts';
import type { ManifestsPorts } from '../registry/manifests.ts';
import type { StagedWrites } from '../storage/driver.ts';
import type { ImportRequest } from './report.ts';
import type { ImportSource } from './source.ts';
import type { Tally } from './tally.ts';

/** The store that something is imported into. */
export interface ImportPorts
  extends Omit<ManifestsPorts, 'cache' | 'deletes' | 'runInBackground' | 'parse' | 'policy'> {
  readonly driver: ManifestsPorts['driver'] & StagedWrites;
  /** The store's ULID. */
  readonly store: string;
  /** Who imports, as events name it. */
  readonly actor: string;
  /** Whether nothing may be written under a name (PAST_PREFIX). */
  readonly isReserved: (name: RepositoryName) => boolean;
  /** Awaited between small pieces of work, so that requests get their turn. */
  readonly yieldToRequests: () => Promise<void>;
}

/** An import in progress. */
export interface Import extends ImportPorts, Pick<ImportRequest, 'trust' | 'moveTags'> {
  readonly source: ImportSource;
  readonly tally: Tally;
  readonly signal: AbortSignal;
  /**
   * Manifests with another media type in our store than in the source, as `<repository> <digest>`. No tag is set to
   * them.
   */
  readonly contradicted: Set<string>;
}
