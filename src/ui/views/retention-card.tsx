import type { RepositoryName } from '../../oci/names.ts';
import type { Review } from '../../retention/interface.ts';
import { manifestAddress } from '../addresses.ts';
import { Card, Size } from '../components/basics.tsx';
import { Until } from '../components/retention-fate.tsx';
import { cut, formatCount, formatDuration } from '../format.ts';
import { entryText } from '../models/retention-text.ts';

interface RetentionProps {
  readonly repo: RepositoryName;
  readonly review: Review;
  readonly now: number;
}

const MAX_NAME = 60;

/** Which rule applies to a repository, what it keeps, and what goes next. */
export function RetentionCard({ repo, review: { rule, going, soon, untagged }, now }: RetentionProps) {
  if (rule === undefined) {
    return (
      <Card title="Retention" icon="hourglass">
        <p class="card-text muted">No rule applies here: what is pushed stays until someone deletes it.</p>
      </Card>
    );
  }
  const upcoming = soon.filter(({ isKept }) => isKept);
  return (
    <Card title="Retention" icon="hourglass" aside={<span class="muted">{cut(rule.name, MAX_NAME)}</span>}>
      <div class="card-text retention">
        {rule.keep === undefined ? (
          <p>All tags are kept.</p>
        ) : (
          <>
            <p>A tag is kept if it is one of</p>
            <ul class="bullets">
              {rule.keep.map((entry, at) => (
                <li key={at}>{entryText(entry)}</li>
              ))}
            </ul>
          </>
        )}
        <p>
          {rule.deleteUntagged === undefined
            ? 'Manifests without a tag stay.'
            : `Manifests without a tag go after ${formatDuration(rule.deleteUntagged)}.`}
        </p>
        {(going > 0 || untagged.count > 0) && (
          <p class="warm">
            The next run deletes{' '}
            {[going > 0 && formatCount(going, 'tag'), untagged.count > 0 && formatCount(untagged.count, 'manifest')]
              .filter((each) => each !== false)
              .join(' and ')}
            {untagged.count > 0 && (
              <>
                {' '}
                (<Size bytes={untagged.bytes} />)
              </>
            )}
            .
          </p>
        )}
        {upcoming.length > 0 && (
          <ul class="soon">
            {upcoming.map(({ tag, until }) => (
              <li key={tag}>
                <a class="tag-link" href={manifestAddress(repo, { kind: 'tag', tag })}>
                  {tag}
                </a>
                <span class="muted">goes {until !== undefined && <Until at={until} now={now} />}</span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </Card>
  );
}
