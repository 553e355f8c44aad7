import type { RepositoryName } from '../../oci/names.ts';
import { secondOf } from '../../past/moment.ts';
import { actionAddress, repositoryAddress, storageAddress, timelineAddress } from '../addresses.ts';
import { AboutLinks } from '../components/about-links.tsx';
import { Card, Empty, Notice, Size, Time } from '../components/basics.tsx';
import { ChangeLinks, linkedChange } from '../components/change-links.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { ReadmeCard } from '../components/markdown.tsx';
import { Incomplete } from '../components/overview-parts.tsx';
import { WritesAreOff } from '../components/refusals.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { CommandTabs } from '../components/tabs.tsx';
import { Timeline } from '../components/timeline.tsx';
import { FormToken } from '../document.tsx';
import { cut, formatCount } from '../format.ts';
import { aboutOf } from '../load/about.ts';
import type { RepositoryData } from '../load/load-repository.ts';
import { pullCommands } from '../models/pull-commands.ts';
import type { TagOrder } from '../models/tag-order.ts';
import type { Viewer } from '../viewer.ts';
import { PinsCard } from './pins-card.tsx';
import { RetentionCard } from './retention-card.tsx';
import { TagCard } from './tag-card.tsx';

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
      {!data.page.isComplete && <Incomplete />}
      <WritesAreOff repo={repo} actions={data.actions} />
      {deleted.length > 0 && <Undo data={data} viewer={viewer} />}
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
          <RetentionCard repo={repo} review={data.review} now={viewer.now} />
          <PinsCard data={data} viewer={viewer} />
          <Card
            title="Timeline"
            icon="clock"
            aside={viewer.hasPast ? <LookBack repo={repo} now={viewer.now} /> : undefined}
          >
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
                  links: <ChangeLinks repo={repo} change={linkedChange(change)} viewer={viewer} />,
                }))}
              />
            )}
            <footer class="card-foot">
              <a href={timelineAddress(repo)}>Whole timeline</a>
              <a href={storageAddress(repo)}>Storage</a>
            </footer>
          </Card>
        </div>
      </div>
    </>
  );
}

/** To the page on which one goes from one moment to others. */
function LookBack({ repo, now }: { readonly repo: RepositoryName; readonly now: number }) {
  return (
    <a class="button button-small" href={repositoryAddress({ repo, at: secondOf(now) })}>
      Look back
    </a>
  );
}

function Facts({ data: { contents, page, shared }, now }: { readonly data: RepositoryData; readonly now: number }) {
  const { counts, bytes, time } = contents;
  return (
    <ul class="facts">
      <li>{formatCount(counts.tags - page.folded, 'tag')}</li>
      <li>{formatCount(counts.manifests, 'manifest')}</li>
      <li>
        <Size bytes={bytes} />
        {shared !== undefined && shared > 0 && (
          <>
            {' '}
            (<Size bytes={shared} /> shared)
          </>
        )}
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
  data: { repo, deleted, actions },
  viewer,
}: {
  readonly data: RepositoryData;
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
        {actions.addTag === undefined && (
          <button type="submit" class="button">
            <Icon name="undo" />
            Undo
          </button>
        )}
      </form>
    </Notice>
  );
}
