import type { RepositoryName, Tag } from '../../oci/names.ts';
import type { Consequences } from '../../retention/interface.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { Card, DigestText, Notice } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { FormToken } from '../document.tsx';
import { formatBytes, formatCount, formatDuration } from '../format.ts';
import type { DeletionPlan } from '../load/load-deletion.ts';
import type { Viewer } from '../viewer.ts';

interface ConfirmProps {
  readonly repo: RepositoryName;
  readonly plan: DeletionPlan;
  readonly viewer: Viewer;
}

/** Tags of a manifest that are named, and tags that are listed in one line. */
const [MAX_NAMED, MAX_LISTED] = [3, 20];

/** Says what a delete does before it happens. */
export function ConfirmDelete({ repo, plan, viewer }: ConfirmProps) {
  const { tags, missing, consequences } = plan;
  return (
    <>
      <Crumbs repo={repo} />
      <h1>
        Delete {formatCount(tags.length, 'tag')} of {repo}?
      </h1>
      <Card title="What goes" icon="trash">
        <ul class="plan">
          {tags.map((each) => (
            <PlanLine key={each.tag} repo={repo} planned={each} />
          ))}
        </ul>
        <Outcome consequences={consequences} />
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
      {consequences.immutable.length > 0 && (
        <Notice icon="lock">A rule makes these immutable, so they stay: {listOf(consequences.immutable)}</Notice>
      )}
      {missing.length > 0 && <p class="muted">Gone already: {listOf(missing)}</p>}
    </>
  );
}

interface PlanLineProps {
  readonly repo: RepositoryName;
  readonly planned: DeletionPlan['tags'][number];
}

function PlanLine({ repo, planned: { tag, digest, others, isLost } }: PlanLineProps) {
  return (
    <li>
      <b>{tag}</b> <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
      <span class="muted">{whatBecomes(others, isLost)}</span>
    </li>
  );
}

/** What becomes of the manifest of a tag. @param others its other tags */
function whatBecomes(others: readonly string[], isLost: boolean): string {
  const more = others.length - MAX_NAMED;
  if (others.length > 0)
    return `The manifest stays as ${others.slice(0, MAX_NAMED).join(', ')}${more > 0 ? ` and ${more} more` : ''}.`;
  if (isLost) return 'The manifest loses its last tag.';
  return 'The manifest loses its last tag, but stays as a part of another one.';
}

/** What happens to the manifests that lose their last tag, and to what only they have. */
function Outcome({ consequences }: { readonly consequences: Consequences }) {
  const { manifests, blobs, bytes, deleteUntagged } = consequences;
  if (manifests.size === 0) return <p class="card-text">No content goes: all of it stays under other tags.</p>;
  const what = `${formatCount(manifests.size, 'manifest')} and ${formatCount(blobs, 'blob')} (${formatBytes(bytes)})`;
  return (
    <p class="card-text">
      {deleteUntagged === undefined
        ? `Nothing else in this repository needs ${what}. They stay without a tag, since no rule deletes them, and can be pulled by digest.`
        : `Nothing else in this repository needs ${what}. Retention deletes them in ${formatDuration(deleteUntagged)}, and what no other repository has is freed after that. Until then the delete can be undone.`}
    </p>
  );
}

function listOf(tags: readonly Tag[]): string {
  return tags.slice(0, MAX_LISTED).join(', ') + (tags.length > MAX_LISTED ? ', …' : '');
}
