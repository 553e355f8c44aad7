import type { RepositoryName } from '../../oci/names.ts';
import type { TagSummary } from '../../overview/interface.ts';
import { actionAddress, manifestAddress, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card, DigestText, Empty, Notice, Size, Time } from '../components/basics.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { Timeline } from '../components/timeline.tsx';
import { FormToken } from '../document.tsx';
import { cut, formatActor, formatCount } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { DeletedTag, RepositoryData } from '../load/load-repository.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { pullCommands } from '../models/pull-commands.ts';
import { TAG_ORDERS, type TagOrder } from '../models/tag-order.ts';
import type { Viewer } from '../viewer.ts';

interface RepositoryProps {
  readonly data: RepositoryData;
  readonly sort: TagOrder;
  readonly q: string;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;

/** One repository: its tags, how to pull from it, what it says of itself, and what happened in it. */
export function Repository({ data, sort, q, viewer }: RepositoryProps) {
  const { repo, newest, details, deleted, changes } = data;
  return (
    <>
      <Crumbs repo={repo} />
      <div class="title-row">
        <h1 class="title-name">{repo.slice(repo.lastIndexOf('/') + 1)}</h1>
        <Facts data={data} now={viewer.now} />
      </div>
      {details?.description !== undefined && <p class="lead">{cut(details.description, MAX_DESCRIPTION)}</p>}
      {details !== undefined && <AboutLinks about={aboutOf(details)} />}
      {deleted.length > 0 && <Undo repo={repo} deleted={deleted} viewer={viewer} />}
      <div class="columns">
        <div class="column-main">
          <TagCard data={data} sort={sort} q={q} viewer={viewer} />
          {details?.readme !== undefined && <ReadmeCard readme={details.readme} />}
        </div>
        <div class="column-side">
          {newest !== undefined && (
            <Card title="Pull" icon="box">
              <CommandTabs
                id="pull"
                commands={pullCommands(viewer.host, repo, { kind: 'tag', tag: newest.tag }, newest.kind)}
              />
            </Card>
          )}
          <Card title="Timeline" icon="clock">
            {changes.length === 0 ? (
              <Empty icon="clock" title="Nothing has happened lately" />
            ) : (
              <Timeline
                now={viewer.now}
                entries={changes.map((change) => ({
                  key: keyOf(change),
                  tone: toneOf(change),
                  at: change.at,
                  actor: change.actor,
                  text: <ChangeText repo={repo} change={change} />,
                }))}
              />
            )}
          </Card>
        </div>
      </div>
    </>
  );
}

function Facts({ data: { contents, page }, now }: { readonly data: RepositoryData; readonly now: number }) {
  const { counts, bytes, time } = contents;
  return (
    <ul class="facts">
      <li>{formatCount(counts.tags - page.folded, 'tag')}</li>
      <li>{formatCount(counts.manifests, 'manifest')}</li>
      <li>
        <Size bytes={bytes} />
      </li>
      {time !== undefined && (
        <li>
          changed <Time at={Date.parse(time)} now={now} />
        </li>
      )}
    </ul>
  );
}

function Undo({
  repo,
  deleted,
  viewer,
}: {
  readonly repo: RepositoryName;
  readonly deleted: readonly DeletedTag[];
  readonly viewer: Viewer;
}) {
  return (
    <Notice tone="good" icon="check">
      <form class="notice-row" action={actionAddress(repo, 'restore')} method="post">
        <FormToken viewer={viewer} />
        {deleted.map(({ tag, digest }) => (
          <input key={tag} type="hidden" name="tag" value={`${tag} ${digest}`} />
        ))}
        <span>
          {deleted.length === 1 ? (
            <>
              Deleted the tag <b>{deleted[0]?.tag}</b>.
            </>
          ) : (
            <>Deleted {formatCount(deleted.length, 'tag')}.</>
          )}
        </span>
        {viewer.passive === undefined && (
          <button type="submit" class="button">
            <Icon name="undo" />
            Undo
          </button>
        )}
      </form>
    </Notice>
  );
}

const ORDER_NAMES: Readonly<Record<TagOrder, string>> = { time: 'Newest', name: 'Name', semver: 'Version' };

function TagCard({ data, sort, q, viewer }: RepositoryProps) {
  const { repo, page, next, contents } = data;
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
                <TagLine key={row.tag} repo={repo} row={row} canDelete={canDelete} now={viewer.now} />
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
  readonly canDelete: boolean;
  readonly now: number;
}

const SHOWN_PLATFORMS = 3;

function TagLine({ repo, row, canDelete, now }: TagLineProps) {
  const { tag, digest, kind, total, set, by, platforms, badges } = row;
  const more = platforms.length - SHOWN_PLATFORMS;
  return (
    <tr>
      {canDelete && (
        <td class="choice">
          <input type="checkbox" name="tag" value={tag} aria-label={`Choose ${tag}`} />
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
        </span>
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
