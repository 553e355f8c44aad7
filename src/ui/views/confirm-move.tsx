import type { Digest, RepositoryName, Tag } from '../../oci/names.ts';
import { actionAddress, manifestAddress } from '../addresses.ts';
import { Card, DigestText } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { Crumbs } from '../components/repository-path.tsx';
import { FormToken } from '../document.tsx';
import type { Viewer } from '../viewer.ts';

interface ConfirmMoveProps {
  readonly repo: RepositoryName;
  readonly tag: Tag;
  /** What the tag is now. */
  readonly from: Digest;
  readonly to: Digest;
  readonly viewer: Viewer;
}

/** Asks before a tag that exists is moved to another manifest. */
export function ConfirmMove({ repo, tag, from, to, viewer }: ConfirmMoveProps) {
  return (
    <>
      <Crumbs repo={repo} />
      <h1>
        Move {tag} of {repo}?
      </h1>
      <Card title="What changes" icon="tag">
        <ul class="plan">
          <li>
            <b>{tag}</b> is <DigestText digest={from} href={manifestAddress(repo, { kind: 'digest', digest: from })} />
            <span class="muted">It stays without this tag, and the history of the tag can bring it back.</span>
          </li>
          <li>
            It becomes <DigestText digest={to} href={manifestAddress(repo, { kind: 'digest', digest: to })} />
          </li>
        </ul>
        <form class="choices" action={actionAddress(repo, 'tag')} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="digest" value={to} />
          <input type="hidden" name="name" value={tag} />
          <input type="hidden" name="expected" value={from} />
          <button type="submit" class="button button-main">
            <Icon name="tag" />
            Move {tag}
          </button>
          <a class="button" href={manifestAddress(repo, { kind: 'digest', digest: to })}>
            Keep
          </a>
        </form>
      </Card>
    </>
  );
}
