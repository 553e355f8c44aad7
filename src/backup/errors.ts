import type { Digest, RepositoryName } from '../oci/names.ts';

/** The operator asked for what is not possible, or a place cannot be used; the message is one line. */
export class BackupRefused extends Error {
  override readonly name = 'BackupRefused';
}

/** Content of the registry that a backup could not copy, or that a backup lacks. */
export interface Damage {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  /** `missing`: there are no bytes for it. `damaged`: they do not match their digest. */
  readonly problem: 'missing' | 'damaged';
}

/** A run that copied all it could, but not everything. What it copied stays for the next run; it left no backup. */
export class BackupIncomplete extends Error {
  override readonly name = 'BackupIncomplete';
  /** At most MAX_DAMAGES. */
  readonly damages: readonly Damage[];
  readonly count: number;

  constructor(damages: readonly Damage[], count: number) {
    super(`${count === 1 ? '1 blob or manifest' : `${count} blobs or manifests`} of the registry could not be copied`);
    this.damages = damages;
    this.count = count;
  }
}

export const MAX_DAMAGES = 1_000;
