import type { RepositoryName } from '../../oci/names.ts';
import type { TagSummary } from '../../overview/interface.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { Card, DigestText, Empty, NextPage, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { DeletesAreOff } from '../components/refusals.tsx';
import { FateBadge, FateLine } from '../components/retention-fate.tsx';
import { ContentBadges, PlatformsCell, TagCount, TagListTools } from '../components/tag-list.tsx';
import { FormToken } from '../document.tsx';
import { formatActor, formatCount } from '../format.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import type { RepositoryData } from '../load/load-repository.ts';
import { type Fate, fateOf } from '../models/retention-text.ts';
import type { TagOrder } from '../models/tag-order.ts';
import type { Viewer } from '../viewer.ts';

interface TagCardProps {
  readonly data: RepositoryData;
  readonly sort: TagOrder;
  readonly q: string;
  readonly viewer: Viewer;
}

/** The tags of a repository, a page at a time, with a box each to choose those that are deleted. */
export function TagCard({ data, sort, q, viewer }: TagCardProps) {
  const { repo, page, next, contents, review } = data;
  const { items, count, folded } = page;
  const isEmpty = contents.counts.tags - folded <= 0;
  const canDelete = data.actions.deleteTag === undefined && items.length > 0;
  return (
    <Card
      title="Tags"
      icon="tag"
      id="tags"
      isLive
      aside={isEmpty ? undefined : <TagListTools place={repo} sort={sort} q={q} />}
    >
      {items.length === 0 ? (
        <NoTags data={data} isEmpty={isEmpty} sort={sort} />
      ) : (
        <Chosen repo={repo} canDelete={canDelete} viewer={viewer}>
          <table class={`table tags ${canDelete ? 'tags-chosen' : ''}`}>
            <thead>
              <tr>
                {canDelete && (
                  <th scope="col" class="choice">
                    <span class="hidden">Choose</span>
                    <input
                      type="checkbox"
                      class="choose-all"
                      aria-label="Choose all of this page"
                      autocomplete="off"
                      data-choose-all
                    />
                  </th>
                )}
                <th scope="col">Tag</th>
                <th scope="col">Digest</th>
                <th scope="col">Platforms</th>
                <th scope="col" class="number">
                  Size
                </th>
                <th scope="col" class="number">
                  Pushed
                </th>
              </tr>
            </thead>
            <tbody>
              {items.map((row) => (
                <TagLine
                  key={row.tag}
                  repo={repo}
                  row={row}
                  fate={fateOf(review.fates.get(row.tag), review.rule)}
                  canDelete={canDelete}
                  now={viewer.now}
                />
              ))}
            </tbody>
          </table>
          <footer class="card-foot">
            {canDelete && (
              <button type="submit" class="button button-danger">
                <Icon name="trash" />
                Delete chosen…
              </button>
            )}
            <TagCount count={count} folded={folded} q={q} />
            <DeletesAreOff refusal={data.actions.deleteTag} />
            {next !== undefined && <NextPage href={repositoryAddress(repo, { sort, q, after: next })} />}
          </footer>
        </Chosen>
      )}
    </Card>
  );
}

interface NoTagsProps {
  readonly data: RepositoryData;
  /** Whether the repository has no tags at all. */
  readonly isEmpty: boolean;
  readonly sort: TagOrder;
}

/** Why the list has no tags. */
function NoTags({ data: { repo, page, contents }, isEmpty, sort }: NoTagsProps) {
  const { manifests } = contents.counts;
  if (isEmpty) {
    return (
      <Empty icon="tag" title="No tags">
        <p>
          {manifests === 0
            ? 'Nothing is left in this repository.'
            : `It holds ${formatCount(manifests, 'manifest')} without a tag.`}
        </p>
      </Empty>
    );
  }
  if (!page.isComplete) {
    return (
      <Empty icon="clock" title="Not listed yet">
        <p>Load this page again in a moment.</p>
      </Empty>
    );
  }
  return (
    <Empty icon="search" title="No tag matches">
      <a href={repositoryAddress(repo, { sort })}>Show all tags</a>
    </Empty>
  );
}

interface ChosenProps {
  readonly repo: RepositoryName;
  readonly canDelete: boolean;
  readonly viewer: Viewer;
  readonly children: Child;
}

/** The form of the boxes, if tags can be chosen. */
function Chosen({ repo, canDelete, viewer, children }: ChosenProps) {
  if (!canDelete) return <>{children}</>;
  return (
    <form action={actionAddress(repo, 'delete')} method="post">
      <FormToken viewer={viewer} />
      {children}
    </form>
  );
}

interface TagLineProps {
  readonly repo: RepositoryName;
  readonly row: TagSummary;
  readonly fate: Fate | undefined;
  readonly canDelete: boolean;
  readonly now: number;
}

function TagLine({ repo, row, fate, canDelete, now }: TagLineProps) {
  const { tag, digest, kind, total, set, by, platforms, badges } = row;
  const isImmutable = fate?.kind === 'immutable';
  return (
    <tr>
      {canDelete && (
        <td class="choice">
          {isImmutable ? (
            <span class="locked" title="Immutable: it can neither be moved nor deleted">
              <Icon name="lock" />
              <span class="hidden">Immutable</span>
            </span>
          ) : (
            <input type="checkbox" name="tag" value={tag} aria-label={`Choose ${tag}`} />
          )}
        </td>
      )}
      <th scope="row">
        <a class="row-link tag-name" href={manifestAddress(repo, { kind: 'tag', tag })}>
          {tag}
        </a>
        <span class="badges">
          <ContentBadges kind={kind} badges={badges} />
          {!(isImmutable && canDelete) && <FateBadge fate={fate} now={now} />}
        </span>
        <FateLine fate={fate} now={now} />
      </th>
      <td data-label="Digest">
        <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
      </td>
      <PlatformsCell platforms={platforms} />
      <td data-label="Size" class="number">
        <Size bytes={total} />
      </td>
      <td data-label="Pushed" class="number">
        <Time at={Date.parse(set)} now={now} />
        {by !== undefined && <span class="actor">{formatActor(by)}</span>}
      </td>
    </tr>
  );
}
