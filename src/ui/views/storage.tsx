import { homeAddress, STORAGE_MAP, storageAddress } from '../addresses.ts';
import { Card, Empty, Size } from '../components/basics.tsx';
import { Forbidden, Incomplete, TotalNumbers } from '../components/overview-parts.tsx';
import { PathName } from '../components/repository-path.tsx';
import { ShareBar } from '../components/share-bar.tsx';
import { ANY_WINDOW, Picture, Tile, Treemap } from '../components/treemap.tsx';
import { formatBytes, formatCount } from '../format.ts';
import type { StorageData } from '../load/load-storage.ts';
import { layOut, type RepositoryBox } from '../models/treemap.ts';
import type { Viewer } from '../viewer.ts';
import { KeptCard, OutlookCard } from './outlook-cards.tsx';
import { RepositoryStorage } from './repository-storage.tsx';
import { Largest, Unused } from './storage-parts.tsx';

interface StorageProps {
  readonly data: StorageData;
  readonly viewer: Viewer;
}

/** What takes the space, and what will free some. */
export function Storage({ data, viewer }: StorageProps) {
  switch (data.kind) {
    case 'forbidden':
      return (
        <>
          <h1>Storage</h1>
          <Forbidden viewer={viewer} />
        </>
      );
    case 'all':
      return <AllStorage data={data} viewer={viewer} />;
    case 'repository':
      return <RepositoryStorage data={data} viewer={viewer} />;
  }
}

type All = Extract<StorageData, { readonly kind: 'all' }>;

function AllStorage({
  data: { report, map, totals, outlook },
  viewer,
}: {
  readonly data: All;
  readonly viewer: Viewer;
}) {
  const { now } = viewer;
  const boxes = layOut(map, ANY_WINDOW.width, ANY_WINDOW.height);
  return (
    <>
      <div class="title-row">
        <h1>Storage</h1>
      </div>
      {!report.isComplete && <Incomplete />}
      <TotalNumbers totals={totals} now={now} />
      {boxes.length === 0 ? (
        report.isComplete && (
          <Empty icon="box" title="Nothing is stored yet">
            <p>What clients push appears here, by repository and layer.</p>
          </Empty>
        )
      ) : (
        <>
          <Card title="By repository and layer" icon="layers" aside={<div class="treemap-bar" data-treemap-bar />}>
            <Treemap map={STORAGE_MAP}>
              <Picture label="Repositories by size" frame={ANY_WINDOW}>
                {boxes.map((box, at) => (
                  <RepositoryTile key={at} box={box} />
                ))}
              </Picture>
            </Treemap>
          </Card>
          <LargestRepositories report={report} />
          <div class="halves">
            <Largest largest={report.largest} />
            <Unused report={report} now={now} />
          </div>
          <div class="columns">
            <div class="column-main">
              <OutlookCard outlook={outlook} now={now} />
            </div>
            <div class="column-side">
              <KeptCard outlook={outlook} now={now} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

function RepositoryTile({ box }: { readonly box: RepositoryBox }) {
  const { name, bytes, shared, count, parts } = box;
  const about = formatBytes(bytes);
  if (name === undefined) {
    const others = formatCount(count, 'smaller repository', 'smaller repositories');
    return (
      <Tile
        href={homeAddress({ sort: 'size' })}
        label={`${others} ${about}`}
        name={others}
        frame={ANY_WINDOW}
        {...{ about, box, parts }}
      />
    );
  }
  const sharing = shared === undefined ? '' : `, ${formatBytes(shared)} of it shared`;
  return (
    <Tile
      href={storageAddress(name)}
      label={`${name} ${about}${sharing}`}
      name={name.slice(name.lastIndexOf('/') + 1)}
      frame={ANY_WINDOW}
      {...{ about, box, parts }}
    />
  );
}

function LargestRepositories({ report: { repositories, rest } }: { readonly report: All['report'] }) {
  const most = Math.max(0, ...repositories.map(({ bytes }) => bytes));
  return (
    <Card title="Largest repositories" icon="box" aside={<a href={homeAddress({ sort: 'size' })}>All by size</a>}>
      <table class="table largest-repositories">
        <thead>
          <tr>
            <th scope="col">Repository</th>
            <th scope="col" class="bar-cell">
              <span class="hidden">Own and shared</span>
            </th>
            <th scope="col" class="number">
              Own
            </th>
            <th scope="col" class="number">
              Shared
            </th>
            <th scope="col" class="number">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {repositories.map(({ name, bytes, shared }) => (
            <tr key={name}>
              <th scope="row">
                <a class="row-link" href={storageAddress(name)}>
                  <PathName repo={name} />
                </a>
              </th>
              <td class="bar-cell">
                <ShareBar {...{ bytes, shared, most }} />
              </td>
              <td class="number" data-label="Own">
                {shared === undefined ? '–' : <Size bytes={bytes - shared} />}
              </td>
              <td class="number" data-label="Shared">
                {shared === undefined ? '–' : <Size bytes={shared} />}
              </td>
              <td class="number" data-label="Size">
                <Size bytes={bytes} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rest.count > 0 && (
        <footer class="card-foot">
          <span class="muted">
            {formatCount(rest.count, 'smaller repository has', 'smaller repositories have')} <Size bytes={rest.bytes} />
          </span>
        </footer>
      )}
    </Card>
  );
}
