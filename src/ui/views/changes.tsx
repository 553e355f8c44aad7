import { CHANGES, changesAddress, newChangesAddress } from '../addresses.ts';
import { Empty, Notice } from '../components/basics.tsx';
import { ChangeLinks } from '../components/change-links.tsx';
import { FeedChangeText, linkedFeedChange, toneOfChange } from '../components/feed-change.tsx';
import { Icon } from '../components/icon.tsx';
import { Timeline } from '../components/timeline.tsx';
import type { ChangesData, ChangesRequest } from '../load/load-changes.ts';
import { CHANGE_GROUPS, GROUP_NAMES } from '../models/change-groups.ts';
import type { Viewer } from '../viewer.ts';

interface ChangesProps {
  readonly data: ChangesData;
  readonly request: ChangesRequest;
  readonly viewer: Viewer;
}

/** What happened in all repositories, newest first. The newest page follows what comes. */
export function Changes({ data, request, viewer }: ChangesProps) {
  const { changes, problem, earlier, now } = data;
  const { repository, show, before } = request;
  const follow = now === undefined ? undefined : newChangesAddress({ repository, show, since: now });
  return (
    <>
      <div class="title-row">
        <h1>Changes</h1>
        {follow !== undefined && (
          <span class="live" data-live-mark>
            Live
          </span>
        )}
        {before !== undefined && (
          <a class="button button-quiet" href={changesAddress({ repository, show })}>
            Newest
          </a>
        )}
      </div>
      <section class="card" id="changes" data-live data-follow={follow}>
        <header class="card-head">
          <form class="filter" action={CHANGES} method="get" data-live-form>
            <Icon name="search" />
            <input
              type="search"
              name="repository"
              value={repository}
              placeholder="team/*, **/app"
              aria-label="Repositories, as a pattern"
              autocomplete="off"
              spellcheck={false}
              maxLength={255}
            />
            {show !== 'tags' && <input type="hidden" name="show" value={show} />}
          </form>
          <div class="card-aside">
            <nav class="orders" aria-label="Kinds of changes">
              {CHANGE_GROUPS.map((group) => (
                <a
                  key={group}
                  href={changesAddress({ repository, show: group })}
                  aria-current={group === show ? 'true' : undefined}
                >
                  {GROUP_NAMES[group]}
                </a>
              ))}
            </nav>
          </div>
        </header>
        {problem !== undefined && (
          <div class="card-text">
            <Notice tone="warm">{problem}</Notice>
          </div>
        )}
        {problem === undefined && changes.length === 0 && (
          <Empty icon="clock" title={nothing(earlier !== undefined, repository !== '')}>
            <p>Pushes and deletes of the repositories that you may pull from appear here.</p>
          </Empty>
        )}
        {problem === undefined && changes.length > 0 && (
          <Timeline
            now={viewer.now}
            entries={changes.map((change) => ({
              key: change.id,
              tone: toneOfChange(change),
              at: Date.parse(change.time),
              actor: change.actor,
              text: <FeedChangeText change={change} />,
              links: <ChangeLinks repo={change.repository} change={linkedFeedChange(change)} viewer={viewer} />,
            }))}
          />
        )}
      </section>
      {earlier !== undefined && (
        <nav class="pager" aria-label="Pages">
          <a class="button" href={changesAddress({ repository, show, before: earlier })}>
            Earlier <Icon name="arrow" />
          </a>
        </nav>
      )}
    </>
  );
}

function nothing(isPart: boolean, isFiltered: boolean): string {
  if (isPart) return 'Nothing in this part of the log';
  return isFiltered ? 'No repository that matches has changed' : 'Nothing has changed';
}
