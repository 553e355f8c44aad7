import type { RepositoryName, Tag } from '../oci/names.ts';

/** The part of the operator's policies that affects client requests. */
export interface RepositoryPolicy {
  /** Whether a tag that exists may be neither moved nor deleted by clients. */
  isImmutable(repo: RepositoryName, tag: Tag): boolean;
  /** Whether the time of a tag's last push matters. If it does, every push is logged, even one that changes nothing. */
  tracksPushTimes(repo: RepositoryName): boolean;
  /** How long an untagged manifest is kept, in milliseconds; undefined: forever. */
  untaggedLifetime(repo: RepositoryName): number | undefined;
}

/** Used if the operator has set no policies: tags can be changed, and retention deletes nothing. */
export const NO_POLICY: RepositoryPolicy = {
  isImmutable: () => false,
  tracksPushTimes: () => false,
  untaggedLifetime: () => undefined,
};
