import type { Badges, ContentKind } from '../../inspection/interface.ts';
import { type Place, repositoryAddress } from '../addresses.ts';
import { cut, formatCount } from '../format.ts';
import { KIND_NAMES } from '../models/content-kind.ts';
import { ORDER_NAMES, TAG_ORDERS, type TagOrder } from '../models/tag-order.ts';
import { Badge } from './basics.tsx';
import { Icon } from './icon.tsx';

/** Parts of the lists of tags, of today and of the past. */

interface ToolsProps {
  readonly place: Place;
  readonly sort: TagOrder;
  readonly q: string;
}

/** The filter and the orders of a list of tags. */
export function TagListTools({ place, sort, q }: ToolsProps) {
  return (
    <>
      <form class="filter" action={repositoryAddress(place)} method="get" data-live-form>
        <Icon name="search" />
        <input
          type="search"
          name="q"
          value={q}
          placeholder="Filter"
          aria-label="Filter tags"
          maxLength={255}
          autocomplete="off"
          spellcheck={false}
        />
        {sort !== 'time' && <input type="hidden" name="sort" value={sort} />}
      </form>
      <nav class="orders" aria-label="Order">
        {TAG_ORDERS.map((order) => (
          <a
            key={order}
            href={repositoryAddress(place, { sort: order, q })}
            aria-current={order === sort ? 'true' : undefined}
          >
            {ORDER_NAMES[order]}
          </a>
        ))}
      </nav>
    </>
  );
}

/** What a tag points to, if that is no image, and what is attached to it. @param kind undefined if it is not known */
export function ContentBadges({ kind, badges }: { readonly kind: ContentKind | undefined; readonly badges: Badges }) {
  return (
    <>
      {kind !== undefined && kind !== 'image' && kind !== 'index' && <Badge>{KIND_NAMES[kind]}</Badge>}
      {badges.signed && <Badge tone="good">Signed</Badge>}
      {badges.sbom && <Badge tone="accent">SBOM</Badge>}
      {badges.attested && <Badge tone="accent">Attested</Badge>}
    </>
  );
}

const SHOWN_PLATFORMS = 3;
const [MAX_PLATFORM, MAX_TITLE] = [60, 500];

/** A cell with the first platforms; all of them on hover. */
export function PlatformsCell({ platforms }: { readonly platforms: readonly string[] }) {
  const more = platforms.length - SHOWN_PLATFORMS;
  return (
    <td data-label="Platforms" class="platforms" title={more > 0 ? cut(platforms.join(', '), MAX_TITLE) : undefined}>
      {platforms.length === 0 ? (
        <span class="muted">–</span>
      ) : (
        platforms.slice(0, SHOWN_PLATFORMS).map((each, at) => <code key={at}>{cut(each, MAX_PLATFORM)}</code>)
      )}
      {more > 0 && <span class="muted">+{more}</span>}
    </td>
  );
}

/** How many tags a list has. @param folded tags that only attach something */
export function TagCount({
  count,
  folded,
  q,
}: {
  readonly count: number;
  readonly folded: number;
  readonly q: string;
}) {
  return (
    <span class="muted">
      {q === '' ? formatCount(count, 'tag') : `${formatCount(count, 'tag')} found`}
      {folded > 0 && q === '' && <> · {formatCount(folded, 'tag')} of signatures folded into these</>}
    </span>
  );
}
