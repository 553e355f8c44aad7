import { homeAddress, repositoryAddress, STORAGE } from '../addresses.ts';
import { Card, Size } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Figure, Incomplete } from '../components/overview-parts.tsx';
import { PathName } from '../components/repository-path.tsx';
import { type Frame, Picture, Tile, Treemap, WIDE_AND_NARROW } from '../components/treemap.tsx';
import { formatBytes, formatCount, shortDigest } from '../format.ts';
import { type StorageData, storageMapOf } from '../load/load-storage.ts';
import { layOutParts, type PartBox } from '../models/treemap.ts';
import type { Viewer } from '../viewer.ts';
import { FatesCard } from './fates-card.tsx';
import { ContentTable, sharersText, Unused } from './storage-parts.tsx';

type One = Extract<StorageData, { readonly kind: 'repository' }>;

/** What one repository takes, and what its rule keeps and why. */
export function RepositoryStorage({ data, viewer }: { readonly data: One; readonly viewer: Viewer }) {
  const { repo, report, item, kept } = data;
  const { now } = viewer;
  return (
    <>
      <nav class="crumbs" aria-label="Path">
        <ol>
          <li>
            <a href={STORAGE}>Storage</a>
          </li>
        </ol>
      </nav>
      <div class="title-row">
        <h1>
          <PathName repo={repo} />
        </h1>
        <a class="button button-quiet" href={repositoryAddress(repo)}>
          <Icon name="box" />
          Open repository
        </a>
      </div>
      {!report.isComplete && <Incomplete />}
      {item !== undefined && (
        <>
          <Numbers item={item} />
          <PartsPicture item={item} />
        </>
      )}
      <div class="columns">
        <div class="column-main">
          <FatesCard kept={kept} repo={repo} now={now} />
          <Unused report={report} now={now} />
        </div>
        <div class="column-side">{item !== undefined && <Parts item={item} />}</div>
      </div>
    </>
  );
}

type Item = NonNullable<One['item']>;

function Numbers({ item: { bytes, shared, parts, rest } }: { readonly item: Item }) {
  return (
    <dl class="numbers">
      <Figure name="Size" value={formatBytes(bytes)} />
      {shared !== undefined && <Figure name="Own" value={formatBytes(bytes - shared)} note="freed if it is deleted" />}
      {shared !== undefined && (
        <Figure
          name="Shared"
          value={formatBytes(shared)}
          note={shared > 0 ? 'others have it, too' : 'with no other repository'}
        />
      )}
      <Figure name="Blobs and manifests" value={(parts.length + rest.count).toLocaleString('en-US')} />
    </dl>
  );
}

function PartsPicture({ item }: { readonly item: Item }) {
  const { repositories } = storageMapOf({ repositories: [item], rest: { count: 0, bytes: 0 } });
  if (item.bytes === 0) return null;
  return (
    <Card title="By layer" icon="layers">
      <Treemap>
        {WIDE_AND_NARROW.map((frame) => (
          <Picture key={frame.windows} label="Blobs and manifests by size" frame={frame}>
            {repositories
              .flatMap((each) => layOutParts(each, frame.width, frame.height))
              .map((box, at) => (
                <PartTile key={at} box={box} frame={frame} />
              ))}
          </Picture>
        ))}
      </Treemap>
    </Card>
  );
}

function PartTile({ box, frame }: { readonly box: PartBox; readonly frame: Frame }) {
  const { digest, bytes, count, sharing, sharedWith } = box;
  const about = formatBytes(bytes);
  if (digest === undefined) {
    const name = `${formatCount(count, 'smaller part')}${sharing === 'unknown' ? '' : `, ${sharing}`}`;
    return <Tile href={undefined} label={`${name} ${about}`} parts={[box]} {...{ frame, name, about, box }} />;
  }
  const name = shortDigest(digest);
  return (
    <Tile
      href={homeAddress({ q: digest })}
      label={`${name} ${about}${sharing === 'shared' ? `, shared with ${sharersText(sharedWith)}` : ''}`}
      parts={[box]}
      {...{ frame, name, about, box }}
    />
  );
}

function Parts({ item: { parts, rest } }: { readonly item: Item }) {
  return (
    <Card title="Blobs and manifests" icon="layers">
      <ContentTable contents={parts} />
      {rest.count > 0 && (
        <footer class="card-foot">
          <span class="muted">
            {formatCount(rest.count, 'smaller one has', 'smaller ones have')} <Size bytes={rest.bytes} />
          </span>
        </footer>
      )}
    </Card>
  );
}
