import type { RepositoryName } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import type { TimeMoment } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import { HOME, manifestAddress, momentAddress, PAST, type PastPlace, repositoryAddress } from '../addresses.ts';
import { formatAge, formatTime } from '../format.ts';
import type { Travel } from '../load/load-travel.ts';
import { toneOf } from './changes.tsx';
import { Icon } from './icon.tsx';

interface RibbonProps {
  readonly at: TimeMoment;
  /** Where the same page of today is. */
  readonly back: string;
  /** What the form for another moment leads to; empty: all repositories. */
  readonly named: string;
  /** undefined for all repositories. */
  readonly travel: Travel | undefined;
  readonly now: number;
}

/** Says that a page shows the past, leads back to now, and to other moments. Parts with `data-then` change with the slider. */
export function Ribbon({ at, back, named, travel, now }: RibbonProps) {
  return (
    <aside class="ribbon" aria-label="The past">
      <div class="ribbon-row">
        <Icon name="clock" />
        <p id="then-text" data-then>
          As it was at <b>{formatTime(at.until)}</b> <span class="ribbon-age">{formatAge(at.until, now)}</span>
        </p>
        <a class="button" href={back}>
          Back to now
        </a>
      </div>
      <div class="ribbon-travel">
        {travel !== undefined && <Slider travel={travel} named={named} />}
        <form class="ribbon-time" action={PAST} method="get" id="then-time" data-then>
          <input type="hidden" name="named" value={named} />
          <label class="ribbon-label">
            <span>Another time (UTC)</span>
            <input type="datetime-local" name="moment" step="1" value={localTime(at.until)} required />
          </label>
          <button type="submit" class="button">
            Go
          </button>
        </form>
      </div>
    </aside>
  );
}

/** As fields for a time have it, in UTC. */
function localTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString().slice(0, 19);
}

/** Steps through what changed. Without scripts it is sent by its button. */
function Slider({ travel, named }: { readonly travel: Travel; readonly named: string }) {
  const { place, reference, marks, seq, earlier, later } = travel;
  const [first, last] = [marks[0], marks.at(-1)];
  const hasRange = first !== undefined && last !== undefined && last.seq > first.seq;
  return (
    <div class="travel">
      <Step name="Earlier" to={earlier} place={place} reference={reference} />
      {hasRange && (
        <form class="travel-slider" action={PAST} method="get" data-travel>
          <input type="hidden" name="named" value={named} />
          <div class="travel-track">
            <Marks marks={marks} first={first.seq} last={last.seq} />
            <input
              type="range"
              name="moment"
              min={first.seq}
              max={last.seq}
              value={Math.min(Math.max(seq, first.seq), last.seq)}
              aria-label="Moment, by what was written"
            />
          </div>
          <button type="submit" class="button button-small">
            Go
          </button>
        </form>
      )}
      <Step name="Later" to={later} place={place} reference={reference} />
    </div>
  );
}

interface StepProps {
  readonly name: 'Earlier' | 'Later';
  readonly to: TimeMoment | undefined;
  readonly place: PastPlace;
  readonly reference: Reference | undefined;
}

/** A link of the same size where there is nothing to go to, so that nothing moves under the pointer. */
function Step({ name, to, place, reference }: StepProps) {
  const id = `then-${name.toLowerCase()}`;
  return (
    <span id={id} data-then>
      {to === undefined ? (
        <span class="button button-small button-off" aria-hidden="true">
          {name}
        </span>
      ) : (
        <a class="button button-small" href={pageAt({ repo: place.repo, at: to }, reference)}>
          {name}
        </a>
      )}
    </span>
  );
}

const WIDTH = 1_000;
const MARK = 4;

/** Where on the slider something changed. */
function Marks({
  marks,
  first,
  last,
}: {
  readonly marks: readonly RecentChange[];
  readonly first: number;
  readonly last: number;
}) {
  return (
    <svg class="travel-marks" viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" aria-hidden="true">
      {marks.map((change, at) => {
        const x = ((change.seq - first) / (last - first)) * (WIDTH - MARK);
        return <rect key={at} class={`mark-${toneOf(change)}`} x={x.toFixed(1)} y="0" width={MARK} height="10" />;
      })}
    </svg>
  );
}

/** A page of the past of a repository. */
export function pageAt(place: PastPlace, reference: Reference | undefined): string {
  return reference === undefined ? repositoryAddress(place) : manifestAddress(place, reference);
}

/** The same page of today. */
export function pageNow(repo: RepositoryName, reference: Reference | undefined): string {
  return reference === undefined ? repositoryAddress(repo) : manifestAddress(repo, reference);
}

/** Where a page of the past is: all repositories then, and the one it belongs to. */
export function PastCrumbs({ at, place }: { readonly at: TimeMoment; readonly place?: PastPlace }) {
  return (
    <nav class="crumbs" aria-label="Path">
      <ol>
        <li>
          <a href={HOME}>Repositories</a>
        </li>
        <li>
          <a href={momentAddress(at)}>{formatTime(at.until)}</a>
        </li>
        {place !== undefined && (
          <li>
            <a href={repositoryAddress(place)}>{place.repo}</a>
          </li>
        )}
      </ol>
    </nav>
  );
}
