import type { RepositoryName } from '../../oci/names.ts';
import { HOME, homeAddress } from '../addresses.ts';

/** Where a page is: all repositories, then those with the same beginning. */
export function Crumbs({ repo }: { readonly repo: RepositoryName }) {
  const parts = repo.split('/').slice(0, -1);
  return (
    <nav class="crumbs" aria-label="Path">
      <ol>
        <li>
          <a href={HOME}>Repositories</a>
        </li>
        {parts.map((part, at) => {
          // The beginning of a valid name up to a slash is a valid name, too.
          const under = parts.slice(0, at + 1).join('/') as RepositoryName;
          return (
            <li key={under}>
              <a href={homeAddress({ under })}>{part}</a>
            </li>
          );
        })}
      </ol>
    </nav>
  );
}

/** A name whose last component stands out, and which may be broken after each slash. */
export function PathName({ repo }: { readonly repo: RepositoryName }) {
  const slash = repo.lastIndexOf('/') + 1;
  const parents = repo.slice(0, slash).split('/').slice(0, -1);
  return (
    <span class="path">
      {parents.map((part, at) => (
        <span key={at} class="path-parent">
          {part}/<wbr />
        </span>
      ))}
      <span class="path-last">{repo.slice(slash)}</span>
    </span>
  );
}
