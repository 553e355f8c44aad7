import type { RepositoryName } from '../../oci/names.ts';
import type { Goes, ReviewedRule, TagFate } from '../../retention/interface.ts';
import { manifestAddress } from '../addresses.ts';
import { Badge, Card, Empty } from '../components/basics.tsx';
import { GoesBadge, RunDeletes } from '../components/retention-fate.tsx';
import { TableHead } from '../components/table-head.tsx';
import { cut, formatNumber } from '../format.ts';
import type { Kept } from '../load/load-storage.ts';
import { entryText } from '../models/retention-text.ts';

interface FatesProps {
  /** Undefined: no rule applies. */
  readonly kept: Kept | undefined;
  readonly repo: RepositoryName;
  readonly now: number;
}

const MAX_NAME = 60;

/** Why each tag is kept, or that it goes; those that go first come first. */
export function FatesCard({ kept, repo, now }: FatesProps) {
  if (kept === undefined) {
    return (
      <Card title="Kept or gone" icon="hourglass">
        <Empty icon="shield" title="Nothing goes by itself">
          <p>No rule of retention applies to this repository.</p>
        </Empty>
      </Card>
    );
  }
  const { rule, explanation } = kept;
  const { tags, count, going, manifestCount, bytes } = explanation;
  return (
    <Card title="Kept or gone" icon="hourglass" aside={<Badge>{cut(rule.name, MAX_NAME)}</Badge>}>
      {tags.length === 0 ? (
        <Empty icon="tag" title="No tags" />
      ) : (
        <table class="table">
          <TableHead names={['Tag', 'Goes', 'Because']} />
          <tbody>
            {tags.map((fate) => (
              <tr key={fate.tag}>
                <th scope="row">
                  <a class="row-link tag-name" href={manifestAddress(repo, { kind: 'tag', tag: fate.tag })}>
                    {fate.tag}
                  </a>
                </th>
                <td data-label="Goes">
                  <GoesBadge goes={goesOf(fate)} now={now} />
                </td>
                <td data-label="Because">{reasonsOf(fate, rule)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <footer class="card-foot">
        <span class="muted">
          <RunDeletes tags={going} untagged={{ count: manifestCount, bytes }} />
          {tags.length < count && ` The ${tags.length} of ${formatNumber(count)} tags that go first are shown.`}
        </span>
      </footer>
    </Card>
  );
}

/** undefined: it stays. */
function goesOf({ isKept, until }: TagFate): Goes | undefined {
  if (!isKept) return 'now';
  return until === undefined ? undefined : { at: until };
}

function reasonsOf({ isKept, isImmutable, keptBy }: TagFate, { keep }: ReviewedRule): string {
  const entries = keptBy.flatMap(({ entry }) => keep?.[entry - 1] ?? []).map(entryText);
  const reasons = [...(isImmutable ? ['immutable'] : []), ...entries];
  if (reasons.length > 0) return reasons.join('; ');
  return isKept ? 'the rule keeps all tags' : 'nothing in the rule keeps it';
}
