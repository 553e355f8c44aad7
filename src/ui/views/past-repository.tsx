import { formatComparable } from '../../past/comparable.ts';
import { compareAddress, manifestAddress, type PastPlace, repositoryAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Badge, Card, DigestText, Empty, NextPage, Size, Time } from '../components/basics.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { PathName } from '../components/repository-path.tsx';
import { PastCrumbs, Ribbon } from '../components/ribbon.tsx';
import { TableHead } from '../components/table-head.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { ContentBadges, PlatformsCell, TagCount, TagListTools } from '../components/tag-list.tsx';
import { Timeline } from '../components/timeline.tsx';
import { cut, formatCount } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { PastRepositoryData, PastTag, Today } from '../load/load-past.ts';
import { pullCommands } from '../models/pull-commands.ts';
import type { TagOrder } from '../models/tag-order.ts';
import type { Viewer } from '../viewer.ts';

interface Props {
  readonly data: PastRepositoryData;
  readonly sort: TagOrder;
  readonly q: string;
  readonly viewer: Viewer;
}

const MAX_DESCRIPTION = 500;

/** A repository as it was. */
export function PastRepository({ data, sort, q, viewer }: Props) {
  const { place, name, contents, travel, newest, details, changes, isHere } = data;
  const { repo, at } = place;
  const { counts, bytes, time } = contents;
  return (
    <>
      <Ribbon at={at} back={repositoryAddress(repo)} named={repo} travel={travel} now={viewer.now} />
      <div id="then" class="then" data-then>
        <PastCrumbs at={at} />
        <div class="title-row">
          <h1>
            <PathName repo={repo} />
          </h1>
          <ul class="facts">
            <li>{formatCount(counts.tags - data.folded, 'tag')}</li>
            <li>{formatCount(counts.manifests, 'manifest')}</li>
            <li>
              <Size bytes={bytes} />
            </li>
            {time !== undefined && (
              <li>
                changed <Time at={Date.parse(time)} now={viewer.now} />
              </li>
            )}
          </ul>
          {isHere ? (
            <a class="button button-quiet" href={compareWithNow(place)}>
              <Icon name="compare" />
              Compare with now
            </a>
          ) : (
            <Badge tone="bad">Deleted since</Badge>
          )}
        </div>
        {details?.description !== undefined && <p class="lead">{cut(details.description, MAX_DESCRIPTION)}</p>}
        {details !== undefined && <AboutLinks about={aboutOf(details)} />}
        <div class="columns">
          <div class="column-main">
            <TagCard data={data} sort={sort} q={q} viewer={viewer} />
            {details?.readme !== undefined && <ReadmeCard readme={details.readme} />}
          </div>
          <div class="column-side">
            {newest !== undefined && details !== undefined && (
              <Card title="Pull as it was" icon="box">
                <CommandTabs
                  id="pull"
                  commands={pullCommands(viewer.host, name, { kind: 'tag', tag: newest }, details.kind)}
                />
              </Card>
            )}
            <Card title="Until then" icon="clock">
              {changes.length === 0 ? (
                <Empty icon="clock" title="Nothing had happened lately" />
              ) : (
                <Timeline
                  now={viewer.now}
                  entries={changes.map((change) => ({
                    key: keyOf(change),
                    tone: toneOf(change),
                    at: change.at,
                    actor: change.actor,
                    text: <ChangeText repo={place} change={change} />,
                  }))}
                />
              )}
            </Card>
          </div>
        </div>
      </div>
    </>
  );
}

function compareWithNow({ repo, at }: PastPlace): string {
  const side = (moment: PastPlace['at'] | undefined): string =>
    formatComparable({ kind: 'repository', repo, at: moment });
  return compareAddress({ a: side(at), b: side(undefined) });
}

function TagCard({ data, sort, q, viewer }: Props) {
  const { place, tags, count, folded, next } = data;
  const isEmpty = count === 0 && q === '';
  return (
    <Card
      title="Tags"
      icon="tag"
      id="tags"
      isLive
      aside={isEmpty ? undefined : <TagListTools place={place} sort={sort} q={q} />}
    >
      {isEmpty && (
        <Empty icon="tag" title="It had no tags">
          <p>Go to another moment, or back to now.</p>
        </Empty>
      )}
      {!isEmpty && tags.length === 0 && (
        <Empty icon="search" title="No tag matches">
          <a href={repositoryAddress(place, { sort })}>Show all tags</a>
        </Empty>
      )}
      {tags.length > 0 && (
        <>
          <table class="table tags">
            <TableHead names={['Tag', 'Digest', 'Platforms']} numbers={['Size', 'Set']} />
            <tbody>
              {tags.map((each) => (
                <TagLine key={each.tag} place={place} row={each} now={viewer.now} />
              ))}
            </tbody>
          </table>
          <footer class="card-foot">
            <TagCount count={count} folded={folded} q={q} />
            {next !== undefined && <NextPage href={repositoryAddress(place, { sort, q, after: next })} />}
          </footer>
        </>
      )}
    </Card>
  );
}

interface LineProps {
  readonly place: PastPlace;
  readonly row: PastTag;
  readonly now: number;
}

function TagLine({ place, row: { tag, digest, set, today, badges, summary }, now }: LineProps) {
  const { platforms = [], kind, total, isAttested = false } = summary ?? {};
  return (
    <tr>
      <th scope="row">
        <a class="row-link tag-name" href={manifestAddress(place, { kind: 'tag', tag })}>
          {tag}
        </a>
        <span class="badges">
          {today.kind !== 'same' && <TodayBadge today={today} />}
          <ContentBadges kind={kind} badges={{ ...badges, attested: badges.attested || isAttested }} />
        </span>
      </th>
      <td data-label="Digest">
        <DigestText digest={digest} href={manifestAddress(place, { kind: 'digest', digest })} />
      </td>
      <PlatformsCell platforms={platforms} />
      <td data-label="Size" class="number">
        {total === undefined ? '–' : <Size bytes={total} />}
      </td>
      <td data-label="Set" class="number">
        <Time at={set} now={now} />
      </td>
    </tr>
  );
}

/** What became of a tag. */
export function TodayBadge({ today }: { readonly today: Today }) {
  switch (today.kind) {
    case 'same':
      return <Badge>The same</Badge>;
    case 'moved':
      return <Badge tone="warm">Moved since</Badge>;
    case 'gone':
      return <Badge tone="bad">Deleted since</Badge>;
  }
}
