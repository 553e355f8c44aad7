import { unreachable } from '../../oci/errors.ts';
import type { Digest } from '../../oci/names.ts';
import type { RecentChange } from '../../past/interface.ts';
import { manifestAddress, type Place } from '../addresses.ts';
import { KIND_NAMES, kindOfType } from '../models/content-kind.ts';
import { DigestText, type Tone } from './basics.tsx';

/** What a change did, as a sentence without a subject. */
export function ChangeText({ repo, change }: { readonly repo: Place; readonly change: RecentChange }) {
  switch (change.kind) {
    case 'tag-set':
      return (
        <>
          <TagLink repo={repo} tag={change.tag} /> {verbOf(change.digest, change.previous)}{' '}
          <Target repo={repo} digest={change.digest} />
        </>
      );
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

/** What a push did to a tag. @param previous what the tag was before */
export function verbOf(digest: Digest | undefined, previous: Digest | undefined): string {
  if (previous === undefined) return 'pushed as';
  return previous === digest ? 'pushed again as' : 'moved to';
}

/** No two changes of one slot have the same. */
export function keyOf(change: RecentChange): string {
  const digest = 'digest' in change ? change.digest : '';
  return `${change.seq} ${change.kind} ${'tag' in change ? change.tag : digest}`;
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
