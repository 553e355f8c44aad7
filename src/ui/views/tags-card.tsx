import type { Tag } from '../../oci/names.ts';
import { actionAddress, manifestAddress } from '../addresses.ts';
import { Badge, Card } from '../components/basics.tsx';
import { Icon } from '../components/icon.tsx';
import { FormToken } from '../document.tsx';
import { formatNumber } from '../format.ts';
import type { ManifestData } from '../load/load-manifest.ts';
import { fateOf } from '../models/retention-text.ts';
import type { Viewer } from '../viewer.ts';

const SHOWN_TAGS = 20;
/** As the distribution spec has it. */
const MAX_TAG = 128;

/** The tags of a manifest, and a form that gives it another one. */
export function TagsCard({ data, viewer }: { readonly data: ManifestData; readonly viewer: Viewer }) {
  const { repo, tags, details, review, actions } = data;
  const canTag = actions.addTag === undefined;
  if (tags.length === 0 && !canTag) return null;
  const isImmutable = (tag: Tag): boolean => fateOf(review.fates.get(tag), review.rule)?.kind === 'immutable';
  return (
    <Card title="Tags" icon="tag" aside={<span class="muted">{formatNumber(tags.length)}</span>}>
      {tags.length > 0 && (
        <ul class="card-text tag-links">
          {tags.slice(0, SHOWN_TAGS).map((tag) => (
            <li key={tag}>
              <a class="tag-link" href={manifestAddress(repo, { kind: 'tag', tag })}>
                {tag}
              </a>
              {isImmutable(tag) && <Badge>Immutable</Badge>}
            </li>
          ))}
          {tags.length > SHOWN_TAGS && <li class="muted">+{tags.length - SHOWN_TAGS}</li>}
        </ul>
      )}
      {canTag && (
        <form class="card-foot copy-tag" action={actionAddress(repo, 'tag')} method="post">
          <FormToken viewer={viewer} />
          <input type="hidden" name="digest" value={details.digest} />
          <input
            type="text"
            name="name"
            placeholder="Another tag"
            aria-label="Another tag for this manifest"
            required
            maxLength={MAX_TAG}
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
          />
          <button type="submit" class="button">
            <Icon name="tag" />
            Add tag
          </button>
        </form>
      )}
    </Card>
  );
}
