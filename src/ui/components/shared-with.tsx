import type { Sharers } from '../../overview/interface.ts';
import { repositoryAddress } from '../addresses.ts';

/** Which other repositories have a part of a manifest; nothing if none has it, or if that is not known. */
export function SharedWith({ sharers }: { readonly sharers: Sharers | undefined }) {
  if (sharers === undefined || sharers.repositories.length === 0) return null;
  const { repositories, more } = sharers;
  return (
    <span class="under">
      Shared with{' '}
      {repositories.map((repo, at) => (
        <span key={repo}>
          {at > 0 && ', '}
          <a href={repositoryAddress(repo)}>{repo}</a>
        </span>
      ))}
      {more && ' and others'}
    </span>
  );
}

/** Whether another repository is known to have it. */
export function isShared(digest: string, sharers: ReadonlyMap<string, Sharers>): boolean {
  return (sharers.get(digest)?.repositories.length ?? 0) > 0;
}
