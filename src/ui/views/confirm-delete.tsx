import type { RepositoryName } from '../../oci/names.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { Card, DigestText } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { FormToken } from '../document.tsx';
import { formatCount } from '../format.ts';
import type { DeletionPlan } from '../load/load-deletion.ts';
import type { Viewer } from '../viewer.ts';

interface ConfirmProps {
  readonly repo: RepositoryName;
  readonly plan: DeletionPlan;
  readonly viewer: Viewer;
}

/** Says what a delete does before it happens. */
export function ConfirmDelete({ repo, plan, viewer }: ConfirmProps) {
  const { tags, missing } = plan;
  return (
    <>
      <Crumbs repo={repo} />
      <h1>
        Delete {formatCount(tags.length, 'tag')} of {repo}?
      </h1>
      <Card title="What goes" icon="trash">
        <ul class="plan">
          {tags.map(({ tag, digest, others }) => (
            <li key={tag}>
              <b>{tag}</b> <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
              <span class="muted">
                {others.length > 0
                  ? `The image stays as ${others.slice(0, 3).join(', ')}${others.length > 3 ? ` and ${others.length - 3} more` : ''}.`
                  : 'The image stays without a tag, until retention takes it.'}
              </span>
            </li>
          ))}
        </ul>
        {missing.length > 0 && <p class="muted">Gone already: {missing.slice(0, 20).join(', ')}</p>}
        <form class="choices" action={actionAddress(repo, 'delete')} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="confirmed" value="yes" />
          {tags.map(({ tag, digest }) => (
            <input key={tag} type="hidden" name="tag" value={`${tag} ${digest}`} />
          ))}
          {tags.length > 0 && (
            <button type="submit" class="button button-danger">
              <Icon name="trash" />
              Delete {formatCount(tags.length, 'tag')}
            </button>
          )}
          <a class="button" href={repositoryAddress(repo)}>
            Keep
          </a>
        </form>
      </Card>
    </>
  );
}
