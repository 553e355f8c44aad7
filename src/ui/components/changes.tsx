import { unreachable } from '../../oci/errors.ts';
import type { RecentChange } from '../../past/interface.ts';
import { manifestAddress, type Place } from '../addresses.ts';
import { KIND_NAMES, kindOfType } from '../models/content-kind.ts';
import { DigestText, type Tone } from './basics.tsx';

/** What a change did, as a sentence without a subject. */
export function ChangeText({ repo, change }: { readonly repo: Place; readonly change: RecentChange }) {
  switch (change.kind) {
    case 'tag-set': {
      const verb =
        change.previous === undefined
          ? 'pushed as'
          : change.previous === change.digest
            ? 'pushed again as'
            : 'moved to';
      return (
        <>
          <TagLink repo={repo} tag={change.tag} /> {verb} <Target repo={repo} digest={change.digest} />
        </>
      );
    }
    case 'tag-deleted':
      return (
        <>
          <b class="gone">{change.tag}</b> deleted, was <Target repo={repo} digest={change.digest} />
        </>
      );
    case 'referrer-pushed':
      return (
        <>
          {KIND_NAMES[kindOfType(change.type)]} attached to <Target repo={repo} digest={change.subject} />
        </>
      );
    case 'manifest-deleted':
      return (
        <>
          Manifest <DigestText digest={change.digest} /> deleted
        </>
      );
    case 'repository-deleted':
      return <>Repository deleted</>;
    default:
      return unreachable(change);
  }
}

export function toneOf(change: RecentChange): Tone {
  switch (change.kind) {
    case 'tag-set':
      return change.previous === undefined ? 'good' : 'accent';
    case 'referrer-pushed':
      return 'plain';
    case 'tag-deleted':
    case 'manifest-deleted':
    case 'repository-deleted':
      return 'bad';
    default:
      return unreachable(change);
  }
}

/** No two changes of one slot have the same. */
export function keyOf(change: RecentChange): string {
  const of = 'tag' in change ? change.tag : 'digest' in change ? change.digest : '';
  return `${change.seq} ${change.kind} ${of}`;
}

function TagLink({
  repo,
  tag,
}: {
  readonly repo: Place;
  readonly tag: Extract<RecentChange, { kind: 'tag-set' }>['tag'];
}) {
  return (
    <a class="tag-link" href={manifestAddress(repo, { kind: 'tag', tag })}>
      {tag}
    </a>
  );
}

function Target({
  repo,
  digest,
}: {
  readonly repo: Place;
  readonly digest: Extract<RecentChange, { kind: 'tag-set' }>['digest'];
}) {
  return <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />;
}
