import { changesAddress, newChangesAddress } from '../addresses.ts';
import { Empty } from '../components/basics.tsx';
import { FeedChangeText, toneOfChange } from '../components/feed-change.tsx';
import { Icon } from '../components/icon.tsx';
import { Timeline } from '../components/timeline.tsx';
import type { RecentChangesData } from '../load/load-home.ts';

/** What happened lately in the repositories of the page. It follows what comes. */
export function RecentChanges({ recent, now }: { readonly recent: RecentChangesData; readonly now: number }) {
  const { repository, data } = recent;
  const follow = data.now && newChangesAddress({ repository, show: 'tags', since: data.now });
  return (
    <section class="card" id="recent" data-follow={follow}>
      <header class="card-head">
        <h2>
          <Icon name="clock" />
          Recent changes
        </h2>
        <div class="card-aside">
          {follow !== undefined && <span class="live">Live</span>}
          <a href={changesAddress({ repository, show: 'tags' })}>All</a>
        </div>
      </header>
      {data.changes.length === 0 ? (
        <Empty icon="clock" title="Nothing has changed lately" />
      ) : (
        <Timeline
          now={now}
          entries={data.changes.map((change) => ({
            key: change.id,
            tone: toneOfChange(change),
            at: Date.parse(change.time),
            actor: change.actor,
            text: <FeedChangeText change={change} />,
          }))}
        />
      )}
    </section>
  );
}
