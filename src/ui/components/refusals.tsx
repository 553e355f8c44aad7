import type { ErrorKind } from '../../oci/errors.ts';
import type { RepositoryName } from '../../oci/names.ts';
import { repositoryAddress } from '../addresses.ts';
import { sentence } from '../format.ts';
import type { Actions, Refusal } from '../load/actions.ts';
import { Notice, OutsideLink, webAddress } from './basics.tsx';

/** Nobody can write. A visitor who only lacks a right sees no buttons and no reason, since they could not change it. */
const WRITES_ARE_OFF: ReadonlySet<ErrorKind> = new Set(['read-only', 'writes-paused', 'replica', 'elsewhere']);

/** Says why a repository cannot be changed, to those who could change it otherwise. */
export function WritesAreOff({ repo, actions }: { readonly repo: RepositoryName; readonly actions: Actions }) {
  const { addTag, moveTag, deleteTag, pin } = actions;
  const refusal = [addTag, moveTag, deleteTag, pin].find((each) => each !== undefined && WRITES_ARE_OFF.has(each.kind));
  if (refusal === undefined) return null;
  const primary = webAddress(String(refusal.detail?.primary ?? ''));
  return (
    <Notice icon="lock">
      {sentence(refusal.message)}
      {primary !== undefined && (
        <>
          {' '}
          <OutsideLink href={new URL(repositoryAddress(repo), primary).href}>Open it there</OutsideLink>
        </>
      )}
    </Notice>
  );
}

/** Says that nobody can delete here. */
export function DeletesAreOff({ refusal }: { readonly refusal: Refusal }) {
  if (refusal?.kind !== 'delete-disabled') return null;
  return <span class="muted">{sentence(refusal.message)}</span>;
}
