import type { RepositoryName, Tag } from '../oci/names.ts';

/** What the operator's policies say of repositories, as far as clients' requests have to know it. */
export interface RepositoryPolicy {
  /** Whether a tag that exists may be neither moved nor deleted by clients. */
  isImmutable(repo: RepositoryName, tag: Tag): boolean;
  /** Whether it matters when a tag was pushed last: then each push is told to the log, also one that changes nothing. */
  tracksPushTimes(repo: RepositoryName): boolean;
  /** For how long a manifest without tags stays, in milliseconds; undefined: for ever. */
  untaggedLifetime(repo: RepositoryName): number | undefined;
}

/** Where the operator has set no policies: everything can be changed, and nothing goes by itself. */
export const NO_POLICY: RepositoryPolicy = {
  isImmutable: () => false,
  tracksPushTimes: () => false,
  untaggedLifetime: () => undefined,
};
