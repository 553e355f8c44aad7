import type { Change } from '../../feed/change.ts';
import { unreachable } from '../../oci/errors.ts';
import type { Digest, RepositoryName } from '../../oci/names.ts';
import { manifestAddress, repositoryAddress } from '../addresses.ts';
import { KIND_NAMES, kindOfType } from '../models/content-kind.ts';
import { DigestText, type Tone } from './basics.tsx';
import type { LinkedChange } from './change-links.tsx';
import { verbOf } from './changes.tsx';
import { PathName } from './repository-path.tsx';

/** A change of the feed as a sentence, with links to what was before and after it. */
export function FeedChangeText({ change }: { readonly change: Change }) {
  const { repository: repo, type, tag, digest, previous, subject, from } = change;
  const repository = (
    <a class="tag-link" href={repositoryAddress(repo)}>
      <PathName repo={repo} />
    </a>
  );
  switch (type) {
    case 'tag.set':
      return (
        <>
          {tag !== undefined && (
            <a class="tag-link" href={manifestAddress(repo, { kind: 'tag', tag })}>
              <PathName repo={repo} />:{tag}
            </a>
          )}{' '}
          {verbOf(digest, previous)} <Target repo={repo} digest={digest} />
          {previous !== undefined && previous !== digest && (
            <>
              {' '}
              from <Target repo={repo} digest={previous} />
            </>
          )}
        </>
      );
    case 'tag.deleted':
      return (
        <>
          {repository}:<b class="gone">{tag}</b> deleted, was <Target repo={repo} digest={previous} />
        </>
      );
    case 'manifest.put':
      return (
        <>
          {KIND_NAMES[kindOfType(change.artifactType ?? change.mediaType ?? '')]} <Target repo={repo} digest={digest} />{' '}
          pushed to {repository}
          {subject !== undefined && (
            <>
              , attached to <Target repo={repo} digest={subject} />
            </>
          )}
        </>
      );
    case 'manifest.deleted':
      return (
        <>
          Manifest <Short digest={digest} /> deleted from {repository}
        </>
      );
    case 'blob.linked':
      return (
        <>
          Blob <Short digest={digest} /> {from === undefined ? 'pushed to' : `mounted from ${from} to`} {repository}
        </>
      );
    case 'blob.unlinked':
      return (
        <>
          Blob <Short digest={digest} /> deleted from {repository}
        </>
      );
    case 'repo.deleted':
      return (
        <>
          Repository <b class="gone">{repo}</b> deleted
        </>
      );
    default:
      return unreachable(type);
  }
}

export function linkedFeedChange({ type, seq, time, tag, digest, previous }: Change): LinkedChange {
  const isSet = type === 'tag.set';
  return {
    ...{ seq, at: Date.parse(time), tag: isSet || type === 'tag.deleted' ? tag : undefined },
    ...{ before: previous !== undefined, after: isSet },
    isMove: isSet && previous !== undefined && previous !== digest,
  };
}

export function toneOfChange({ type, previous }: Change): Tone {
  switch (type) {
    case 'tag.set':
      return previous === undefined ? 'good' : 'accent';
    case 'tag.deleted':
    case 'manifest.deleted':
    case 'repo.deleted':
    case 'blob.unlinked':
      return 'bad';
    case 'manifest.put':
    case 'blob.linked':
      return 'plain';
    default:
      return unreachable(type);
  }
}

function Target({ repo, digest }: { readonly repo: RepositoryName; readonly digest: Digest | undefined }) {
  return digest === undefined ? null : (
    <DigestText digest={digest} href={manifestAddress(repo, { kind: 'digest', digest })} />
  );
}

function Short({ digest }: { readonly digest: Digest | undefined }) {
  return digest === undefined ? null : <DigestText digest={digest} />;
}
