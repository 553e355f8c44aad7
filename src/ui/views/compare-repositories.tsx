import type { Digest, RepositoryName } from '../../oci/names.ts';
import type { ManifestAddress } from '../../past/comparable.ts';
import { secondOf } from '../../past/moment.ts';
import type { DiffMoment, RepositoryDiff, TagDifference } from '../../past/repository-diff.ts';
import { compareManifests, manifestAddress, type Place, repositoryAddress } from '../addresses.ts';
import { Card, DigestText, Notice, NotShown, Size } from '../components/basics.tsx';
import { ChangeMark, kindOfChange } from '../components/change-mark.tsx';
import { formatCount, formatNumber, formatTime } from '../format.ts';
import type { ComparisonData } from '../load/load-comparison.ts';
import { sizeChange } from '../models/size-change.ts';

const MAX_ROWS = 300;

interface Props {
  readonly result: Extract<ComparisonData['result'], { readonly kind: 'repositories' }>;
}

/** What differs between two moments of a repository. */
export function RepositoryComparison({ result: { repo, diff } }: Props) {
  const { from, to, tags, manifests, blobs } = diff;
  const isSame = from.seq === to.seq;
  return (
    <>
      <div class="sides">
        <MomentCard title="Before" repo={repo} side={from} />
        <MomentCard title="After" repo={repo} side={to} change={sizeChange(from.bytes, to.bytes)} />
      </div>
      {isSame && (
        <Notice tone="good" icon="check">
          Nothing was changed between these moments.
        </Notice>
      )}
      <Card title="Tags" icon="tag" note={formatCount(tags.count, 'difference')}>
        {tags.items.length === 0 ? (
          <p class="card-text muted">Every tag is the same.</p>
        ) : (
          <TagTable repo={repo} diff={diff} />
        )}
        <NotShown count={tags.count - MAX_ROWS} />
      </Card>
      <p class="muted">
        {`Manifests: ${formatNumber(manifests.added.count)} added, ${formatNumber(manifests.gone.count)} gone. Blobs: ${formatNumber(blobs.added)} added, ${formatNumber(blobs.gone)} gone.`}
      </p>
    </>
  );
}

interface MomentProps {
  readonly title: string;
  readonly repo: RepositoryName;
  readonly side: DiffMoment;
  /** Beside the size. */
  readonly change?: string;
}

function MomentCard({ title, repo, side: { seq, time, exists, bytes }, change }: MomentProps) {
  return (
    <section class="card side" aria-label={title}>
      <div class="side-head">
        <span class="muted">{title}</span>
      </div>
      <h2 class="side-name">
        <a href={repositoryAddress(placeAt(repo, time))}>
          {time === undefined ? 'Before the first push' : formatTime(Date.parse(time))}
        </a>
      </h2>
      <div class="side-about">
        <span>{`slot ${seq}`}</span>
        {exists ? <Size bytes={bytes} /> : <span>did not exist</span>}
        {change !== undefined && <span>{change}</span>}
      </div>
    </section>
  );
}

function TagTable({
  repo,
  diff: { from, to, tags },
}: {
  readonly repo: RepositoryName;
  readonly diff: RepositoryDiff;
}) {
  return (
    <table class="table compared">
      <thead>
        <tr>
          <th scope="col">Tag</th>
          <th scope="col">Before</th>
          <th scope="col">After</th>
          <th scope="col" class="number">
            <span class="hidden">Compare</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {tags.items.slice(0, MAX_ROWS).map((each) => (
          <tr key={each.tag}>
            <th scope="row">
              <span class="marked">
                <ChangeMark change={kindOfChange(each.from, each.to)} />
                <span class="tag-name">{each.tag}</span>
              </span>
            </th>
            <td data-label="Before">
              <Target place={placeAt(repo, from.time)} digest={each.from} />
            </td>
            <td data-label="After">
              <Target place={placeAt(repo, to.time)} digest={each.to} />
            </td>
            <td class="number">
              <CompareLink repo={repo} difference={each} from={from.seq} to={to.seq} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Target({ place, digest }: { readonly place: Place; readonly digest: Digest | undefined }) {
  if (digest === undefined) return <span class="muted">–</span>;
  return <DigestText digest={digest} href={manifestAddress(place, { kind: 'digest', digest })} />;
}

interface CompareLinkProps {
  readonly repo: RepositoryName;
  readonly difference: TagDifference;
  /** Slots. */
  readonly from: number;
  readonly to: number;
}

function CompareLink({ repo, difference, from, to }: CompareLinkProps) {
  if (difference.from === undefined || difference.to === undefined) return null;
  const reference = { kind: 'tag', tag: difference.tag } as const;
  const atSlot = (seq: number): ManifestAddress => ({ repo, reference, at: { kind: 'slot', seq } });
  return (
    <a class="button button-small" href={compareManifests(atSlot(from), atSlot(to))}>
      Compare
    </a>
  );
}

/** @param time of a slot, ISO 8601 */
function placeAt(repo: RepositoryName, time: string | undefined): Place {
  return time === undefined ? repo : { repo, at: secondOf(Date.parse(time)) };
}
