import type { RepositoryName } from '../../oci/names.ts';
import type { RepositoriesPage, RepositorySort, RepositorySummary } from '../../overview/interface.ts';
import { secondOf } from '../../past/moment.ts';
import { homeAddress, momentAddress, repositoryAddress } from '../addresses.ts';
import { Card, Empty, NextPage, Size, Time } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Forbidden, Incomplete, TotalNumbers } from '../components/overview-parts.tsx';
import { Crumbs, PathName } from '../components/repository-path.tsx';
import { Spark } from '../components/spark.tsx';
import { cut, formatActor, formatCount, formatNumber } from '../format.ts';
import type { Folders } from '../load/load-folders.ts';
import type { HomeData } from '../load/load-home.ts';
import type { Viewer } from '../viewer.ts';
import { Hits } from './hits.tsx';
import { RecentChanges } from './recent-changes.tsx';

interface HomeProps {
  readonly data: HomeData;
  readonly q: string;
  readonly under: RepositoryName | undefined;
  readonly sort: RepositorySort;
  readonly viewer: Viewer;
}

/** The first page: the repositories that the visitor may pull from, or what a search found in them. */
export function Home({ data, q, under, sort, viewer }: HomeProps) {
  switch (data.kind) {
    case 'forbidden':
      return (
        <>
          <h1>Repositories</h1>
          <Forbidden viewer={viewer} />
        </>
      );
    case 'listed':
      return (
        <>
          {under !== undefined && <Crumbs repo={under} />}
          <div class="title-row">
            <h1>{under === undefined ? 'Repositories' : under.slice(under.lastIndexOf('/') + 1)}</h1>
            {viewer.hasPast && under === undefined && (
              <a class="button button-quiet" href={momentAddress(secondOf(viewer.now))}>
                <Icon name="clock" />
                Look back
              </a>
            )}
          </div>
          {!data.page.isComplete && <Incomplete />}
          {data.page.items.length === 0 && data.page.isComplete && under === undefined ? (
            <FirstPush viewer={viewer} />
          ) : (
            <>
              {under === undefined && data.page.items.length > 0 && (
                <TotalNumbers totals={data.totals} now={viewer.now} />
              )}
              <FolderList folders={data.folders} />
              <div class="columns">
                <div class="column-main">
                  <List page={data.page} q={q} under={under} sort={sort} now={viewer.now} />
                </div>
                <div class="column-side">
                  <RecentChanges recent={data.recent} now={viewer.now} />
                </div>
              </div>
            </>
          )}
        </>
      );
    case 'found': {
      const others = data.result.hits.filter(({ kind }) => kind !== 'repository');
      const isNothing = data.page.items.length === 0 && others.length === 0;
      return (
        <>
          <div class="title-row">
            <h1>Found for “{q}”</h1>
            <a class="button button-quiet" href={homeAddress()}>
              All repositories
            </a>
          </div>
          {!data.result.isComplete && <Incomplete />}
          {isNothing && (
            <Empty icon="search" title="Nothing was found">
              <p>Search for a part of a name, a tag, the beginning of a digest, or the words of a label.</p>
            </Empty>
          )}
          {data.page.items.length > 0 && <List page={data.page} q={q} under={under} sort={sort} now={viewer.now} />}
          {others.length > 0 && <Hits hits={others} now={viewer.now} />}
        </>
      );
    }
  }
}

const MAX_FOLDERS = 60;

/** The tree of names, one level at a time. */
function FolderList({ folders: { folders, isCut } }: { readonly folders: Folders }) {
  if (folders.length === 0) return null;
  const shown = folders.slice(0, MAX_FOLDERS);
  return (
    <nav aria-label="Folders">
      <ul class="folders">
        {shown.map(({ name, path, count }) => (
          <li key={path}>
            <a href={homeAddress({ under: path })}>
              <Icon name="folder" />
              <span>{name}</span>
              <span class="muted">{formatNumber(count)}</span>
            </a>
          </li>
        ))}
        {(isCut || folders.length > shown.length) && <li class="muted">and more</li>}
      </ul>
    </nav>
  );
}

const SORTS: readonly (readonly [RepositorySort, string])[] = [
  ['name', 'Name'],
  ['pushed', 'Last push'],
  ['size', 'Size'],
];

interface ListProps {
  readonly page: RepositoriesPage;
  readonly q: string;
  readonly under: RepositoryName | undefined;
  readonly sort: RepositorySort;
  readonly now: number;
}

function List({ page: { items, next, isComplete }, q, under, sort, now }: ListProps) {
  return (
    <Card
      title={q === '' ? 'All' : 'Names'}
      icon="box"
      aside={
        <nav class="orders" aria-label="Order">
          {SORTS.map(([order, name]) => (
            <a
              key={order}
              href={homeAddress({ q, under, sort: order })}
              aria-current={order === sort ? 'true' : undefined}
            >
              {name}
            </a>
          ))}
        </nav>
      }
    >
      {items.length === 0 ? (
        <Empty icon={isComplete ? 'box' : 'clock'} title={isComplete ? 'No repositories here' : 'Not listed yet'}>
          {!isComplete && <p>Load this page again in a moment.</p>}
        </Empty>
      ) : (
        <RepositoryTable items={items} now={now} />
      )}
      {next !== undefined && (
        <footer class="card-foot">
          <NextPage href={homeAddress({ q, under, sort, after: next })} />
        </footer>
      )}
    </Card>
  );
}

function RepositoryTable({ items, now }: { readonly items: readonly RepositorySummary[]; readonly now: number }) {
  return (
    <table class="table repositories">
      <thead>
        <tr>
          <th scope="col">Repository</th>
          <th scope="col" class="spark-cell">
            Pushes, 30 days
          </th>
          <th scope="col" class="number">
            Tags
          </th>
          <th scope="col" class="number">
            Own
          </th>
          <th scope="col" class="number">
            Shared
          </th>
          <th scope="col" class="number">
            Last push
          </th>
        </tr>
      </thead>
      <tbody>
        {items.map((each) => (
          <Row key={each.name} summary={each} now={now} />
        ))}
      </tbody>
    </table>
  );
}

const MAX_DESCRIPTION = 120;

function Row({ summary, now }: { readonly summary: RepositorySummary; readonly now: number }) {
  const { name, description, tags, bytes, shared, pushed, pushes } = summary;
  const count = pushes.reduce((sum, each) => sum + each, 0);
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={repositoryAddress(name)}>
          <PathName repo={name} />
        </a>
        {description !== undefined && <span class="under">{cut(description, MAX_DESCRIPTION)}</span>}
      </th>
      <td class="spark-cell" data-label="Pushes, 30 days">
        <Spark values={pushes} label={formatCount(count, 'push in 30 days', 'pushes in 30 days')} />
      </td>
      <td class="number" data-label="Tags">
        {formatNumber(tags)}
      </td>
      <td class="number" data-label="Own">
        <Size bytes={bytes - (shared ?? 0)} />
      </td>
      <td class="number" data-label="Shared">
        {shared === undefined || shared === 0 ? '–' : <Size bytes={shared} />}
      </td>
      <td class="number" data-label="Last push">
        {pushed === undefined ? '–' : <Time at={Date.parse(pushed.at)} now={now} />}
        {pushed?.by !== undefined && <span class="actor">{formatActor(pushed.by)}</span>}
      </td>
    </tr>
  );
}

function FirstPush({ viewer }: { readonly viewer: Viewer }) {
  return (
    <Empty icon="box" title="No repositories yet">
      <p>Push an image, and it appears here:</p>
      <pre>
        <code>{`docker tag my-image ${viewer.host}/my-image\ndocker push ${viewer.host}/my-image`}</code>
      </pre>
    </Empty>
  );
}
