import type { RepositoryName } from '../../oci/names.ts';
import type { TagSummary } from '../../overview/interface.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { Badge, DigestText, Empty, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { FateBadge, FateLine } from '../components/retention-fate.tsx';
import { FormToken } from '../document.tsx';
import { formatActor, formatCount } from '../format.ts';
import type { RepositoryData } from '../load/load-repository.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { type Fate, fateOf } from '../models/retention-text.ts';
import { ORDER_NAMES, TAG_ORDERS, type TagOrder } from '../models/tag-order.ts';
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
  const canDelete = data.mayDelete && viewer.passive === undefined && items.length > 0;
  return (
    <section class="card card-flush" id="tags" data-live>
      <header class="card-head">
        <h2>
          <Icon name="tag" />
          Tags
        </h2>
        {!isEmpty && (
          <div class="card-aside">
            <form class="filter" action={repositoryAddress(repo)} method="get" data-live-form>
              <Icon name="search" />
              <input
                type="search"
                name="q"
                value={q}
                placeholder="Filter"
                aria-label="Filter tags"
                maxLength={255}
                autocomplete="off"
                spellcheck={false}
              />
              {sort !== 'time' && <input type="hidden" name="sort" value={sort} />}
            </form>
            <nav class="orders" aria-label="Order">
              {TAG_ORDERS.map((order) => (
                <a
                  key={order}
                  href={repositoryAddress(repo, { sort: order, q })}
                  aria-current={order === sort ? 'true' : undefined}
                >
                  {ORDER_NAMES[order]}
                </a>
              ))}
            </nav>
          </div>
        )}
      </header>
      {isEmpty ? (
        <Empty icon="tag" title="No tags">
          <p>
            {contents.counts.manifests === 0
              ? 'Nothing is left in this repository.'
              : `It holds ${formatCount(contents.counts.manifests, 'manifest')} without a tag.`}
          </p>
        </Empty>
      ) : items.length === 0 ? (
        <Empty icon="search" title="No tag matches">
          <a href={repositoryAddress(repo, { sort })}>Show all tags</a>
        </Empty>
      ) : (
        <form action={actionAddress(repo, 'delete')} method="post">
          <FormToken viewer={viewer} />
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
            <span class="muted">
              {q === '' ? formatCount(count, 'tag') : `${formatCount(count, 'tag')} found`}
              {folded > 0 && q === '' && <> · {formatCount(folded, 'tag')} of signatures folded into these</>}
            </span>
            {next !== undefined && (
              <a class="button" href={repositoryAddress(repo, { sort, q, after: next })}>
                Next page <Icon name="arrow" />
              </a>
            )}
          </footer>
        </form>
      )}
    </section>
  );
}

interface TagLineProps {
  readonly repo: RepositoryName;
  readonly row: TagSummary;
  readonly fate: Fate | undefined;
  readonly canDelete: boolean;
  readonly now: number;
}

const SHOWN_PLATFORMS = 3;

function TagLine({ repo, row, fate, canDelete, now }: TagLineProps) {
  const { tag, digest, kind, total, set, by, platforms, badges } = row;
  const more = platforms.length - SHOWN_PLATFORMS;
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
          {kind !== 'image' && kind !== 'index' && <Badge>{KIND_NAMES[kind]}</Badge>}
          {badges.signed && <Badge tone="good">Signed</Badge>}
          {badges.sbom && <Badge tone="accent">SBOM</Badge>}
          {badges.attested && <Badge tone="accent">Attested</Badge>}
          {!(isImmutable && canDelete) && <FateBadge fate={fate} now={now} />}
        </span>
        <FateLine fate={fate} now={now} />
      </th>
      <td data-label="Digest">
        <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
      </td>
      <td data-label="Platforms" class="platforms" title={more > 0 ? platforms.join(', ') : undefined}>
        {platforms.length === 0 ? (
          <span class="muted">–</span>
        ) : (
          platforms.slice(0, SHOWN_PLATFORMS).map((each) => <code key={each}>{each}</code>)
        )}
        {more > 0 && <span class="muted">+{more}</span>}
      </td>
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
