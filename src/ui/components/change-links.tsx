import { unreachable } from '../../oci/errors.ts';
import type { RepositoryName, Tag } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import { secondOf } from '../../past/moment.ts';
import { compareManifests, manifestAddress, type PastPlace, repositoryAddress } from '../addresses.ts';
import type { Viewer } from '../viewer.ts';

interface LinksProps {
  readonly repo: RepositoryName;
  readonly change: LinkedChange;
  readonly viewer: Pick<Viewer, 'hasPast'>;
}

/** What the links need to know of a change. */
export interface LinkedChange {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The tag that was set or deleted. */
  readonly tag: Tag | undefined;
  /** Whether the tag existed before and after it. */
  readonly before: boolean;
  readonly after: boolean;
  /** Whether the tag was moved to another manifest. */
  readonly isMove: boolean;
}

/** Links to what was before and after a change, and to the difference. */
export function ChangeLinks({ repo, change, viewer }: LinksProps) {
  const { seq, at, tag, before, after, isMove } = change;
  const reference = tag === undefined ? undefined : ({ kind: 'tag', tag } as const);
  const addressOf = (place: PastPlace, isThere: boolean): string =>
    reference !== undefined && isThere ? manifestAddress(place, reference) : repositoryAddress(place);
  return (
    <span class="moment-links">
      {viewer.hasPast && seq > 1 && (
        <a href={addressOf({ repo, at: secondOf(at - 1_000) }, before)} title="As it was before">
          Before
        </a>
      )}
      {viewer.hasPast && (
        <a href={addressOf({ repo, at: secondOf(at) }, after)} title="As it was afterwards">
          After
        </a>
      )}
      {isMove && reference !== undefined && (
        <a
          href={compareManifests(
            { repo, reference, at: { kind: 'slot', seq: seq - 1 } },
            { repo, reference, at: { kind: 'slot', seq } },
          )}
          title="Compare with before"
        >
          Compare
        </a>
      )}
    </span>
  );
}

/** Pure. */
export function linkedChange(change: RecentChange): LinkedChange {
  const { seq, at } = change;
  switch (change.kind) {
    case 'tag-set': {
      const { tag, digest, previous } = change;
      const isMove = previous !== undefined && previous !== digest;
      return { seq, at, tag, before: previous !== undefined, after: true, isMove };
    }
    case 'tag-deleted':
      return { seq, at, tag: change.tag, before: true, after: false, isMove: false };
    case 'referrer-pushed':
    case 'manifest-deleted':
    case 'repository-deleted':
      return { seq, at, tag: undefined, before: false, after: false, isMove: false };
    default:
      return unreachable(change);
  }
}
