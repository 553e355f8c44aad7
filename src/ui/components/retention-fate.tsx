import type { Goes } from '../../retention/interface.ts';
import { formatCount, formatTime, formatUntil } from '../format.ts';
import type { Fate } from '../models/retention-text.ts';
import { Badge, Size } from './basics.tsx';

/** A time that is still to come: how long it is until then, and the time itself on hover. */
export function Until({ at, now }: { readonly at: number; readonly now: number }) {
  // A rule may have any duration, but not every time is a date.
  const hasDate = Math.abs(at) <= MAX_TIME;
  if (!hasDate) return <span>{formatUntil(at, now)}</span>;
  return (
    <time dateTime={new Date(at).toISOString()} title={formatTime(at)}>
      {formatUntil(at, now)}
    </time>
  );
}

/** The last millisecond that a Date has. */
const MAX_TIME = 8.64e15;

/** When a tag goes, or that it stays. */
export function GoesBadge({ goes, now }: { readonly goes: Goes | undefined; readonly now: number }) {
  switch (goes) {
    case undefined:
      return <Badge tone="good">stays</Badge>;
    case 'now':
      return <Badge tone="bad">at the next run</Badge>;
    case 'push':
      return <Badge>with a newer push</Badge>;
    default:
      return (
        <Badge tone="warm">
          <Until at={goes.at} now={now} />
        </Badge>
      );
  }
}

interface FateProps {
  readonly fate: Fate | undefined;
  readonly now: number;
}

/** What retention does with a tag, as a badge if people should notice. */
export function FateBadge({ fate, now }: FateProps) {
  switch (fate?.kind) {
    case 'immutable':
      return <Badge>Immutable</Badge>;
    case 'goes':
      return <Badge tone="warm">Goes at the next run</Badge>;
    case 'kept':
      return fate.until !== undefined && fate.until - now < NOTICE_MS ? <Badge tone="warm">Goes soon</Badge> : null;
    case undefined:
      return null;
  }
}

/** As long before a tag is deleted as clients are warned. */
const NOTICE_MS = 24 * 3_600_000;

/** Which entry of its rule keeps a tag, and for how long. */
export function FateLine({ fate, now }: FateProps) {
  if (fate?.kind !== 'kept') return null;
  return (
    <span class="under">
      {fate.until === undefined ? (
        `Kept: ${fate.reason}`
      ) : (
        <>
          Goes <Until at={fate.until} now={now} /> ({fate.reason})
        </>
      )}
    </span>
  );
}

interface RunProps {
  readonly tags: number;
  readonly untagged: { readonly count: number; readonly bytes: number };
}

/** What a run of retention would delete. */
export function RunDeletes({ tags, untagged }: RunProps) {
  const parts = [
    tags > 0 && formatCount(tags, 'tag'),
    untagged.count > 0 && formatCount(untagged.count, 'untagged manifest'),
  ].filter((part) => part !== false);
  if (parts.length === 0) return <>A run would delete nothing.</>;
  return (
    <>
      A run would delete {parts.join(' and ')}
      {untagged.count > 0 && (
        <>
          {' '}
          (<Size bytes={untagged.bytes} />)
        </>
      )}
      .
    </>
  );
}
