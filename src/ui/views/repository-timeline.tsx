import type { RecentChange } from '../../past/interface.ts';
import { repositoryAddress, timelineAddress } from '../addresses.ts';
import { Empty } from '../components/basics.tsx';
import { ChangeLinks, linkedChange } from '../components/change-links.tsx';
import { ChangeText, keyOf, toneOf } from '../components/changes.tsx';
import { Icon } from '../components/icon.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { Timeline } from '../components/timeline.tsx';
import type { TimelineData } from '../load/load-timeline.ts';
import type { Viewer } from '../viewer.ts';

/** Entries of one list. Browsers leave out whole lists that are outside of the window. */
const LIST = 50;

function listsOf(changes: readonly RecentChange[]): (readonly RecentChange[])[] {
  return Array.from({ length: Math.ceil(changes.length / LIST) }, (_, at) => changes.slice(at * LIST, (at + 1) * LIST));
}

/** Everything that happened in a repository, page by page. The script adds the next page when one has read so far. */
export function RepositoryTimeline({ data, viewer }: { readonly data: TimelineData; readonly viewer: Viewer }) {
  const { repo, changes, before, next } = data;
  return (
    <>
      <Crumbs repo={repo} />
      <div class="title-row">
        <h1 class="title-name">
          <a href={repositoryAddress(repo)}>{repo.slice(repo.lastIndexOf('/') + 1)}</a>{' '}
          <span class="title-reference">timeline</span>
        </h1>
        {before !== undefined && (
          <a class="button button-quiet" href={timelineAddress(repo)}>
            Newest
          </a>
        )}
      </div>
      <section class="card long-timeline" id="timeline" aria-label="Timeline">
        {changes.length === 0 ? (
          <Empty icon="clock" title={next === undefined ? 'Nothing has happened' : 'Nothing in this part of the log'} />
        ) : (
          listsOf(changes).map((some) => (
            <Timeline
              key={some[0] === undefined ? '' : keyOf(some[0])}
              now={viewer.now}
              entries={some.map((change) => ({
                key: keyOf(change),
                tone: toneOf(change),
                at: change.at,
                actor: change.actor,
                text: <ChangeText repo={repo} change={change} />,
                links: <ChangeLinks repo={repo} change={linkedChange(change)} viewer={viewer} />,
              }))}
            />
          ))
        )}
      </section>
      {next !== undefined && (
        <nav class="pager" id="more" aria-label="Pages" data-more="timeline">
          <a class="button" href={timelineAddress(repo, next)}>
            Earlier <Icon name="arrow" />
          </a>
        </nav>
      )}
    </>
  );
}
