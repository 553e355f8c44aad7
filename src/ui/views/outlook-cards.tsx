import type { RuleOutlook, ShownOutlook, ShownTag } from '../../retention/interface.ts';
import { manifestAddress, storageAddress } from '../addresses.ts';
import { Badge, Card, Empty, Time } from '../components/basics.tsx';
import { PathName } from '../components/repository-path.tsx';
import { GoesBadge, RunDeletes } from '../components/retention-fate.tsx';
import { TableHead } from '../components/table-head.tsx';
import { cut, formatCount, formatDuration, formatNumber } from '../format.ts';
import { entryText } from '../models/retention-text.ts';

interface OutlookProps {
  readonly outlook: ShownOutlook;
  readonly now: number;
}

type Known = Extract<ShownOutlook, { readonly kind: 'known' }>;

const MAX_NAME = 60;

/** What retention takes next from all repositories. */
export function OutlookCard({ outlook, now }: OutlookProps) {
  switch (outlook.kind) {
    case 'no-rules':
      return (
        <Card title="Retention takes next" icon="hourglass">
          <Empty icon="shield" title="Nothing goes by itself">
            <p>No rule of retention deletes anything here. Rules are in RETENTION_FILE.</p>
          </Empty>
        </Card>
      );
    case 'not-yet':
      return (
        <Card title="Retention takes next" icon="hourglass">
          <Empty icon="clock" title="Not known yet">
            <p>
              Marina works out in the background what the rules keep and delete in all repositories, as long as it
              accepts writes. Load this page again in a moment.
            </p>
          </Empty>
        </Card>
      );
    case 'known':
      return <Upcoming outlook={outlook} now={now} />;
  }
}

function Upcoming({ outlook, now }: { readonly outlook: Known; readonly now: number }) {
  const { tags, more, computedAt } = outlook;
  return (
    <Card title="Retention takes next" icon="hourglass" aside={<AsOf at={computedAt} now={now} />}>
      {tags.length === 0 ? (
        <Empty icon="check" title="No tag goes">
          <p>As long as nothing is pushed, the rules keep every tag.</p>
        </Empty>
      ) : (
        <table class="table">
          <TableHead names={['Tag', 'Goes', 'Because']} />
          <tbody>
            {tags.map((each) => (
              <UpcomingRow key={`${each.repo}:${each.tag}`} upcoming={each} now={now} />
            ))}
          </tbody>
        </table>
      )}
      <footer class="card-foot">
        <span class="muted">
          <NextRun rules={outlook.rules} />
          {more && ` The ${formatNumber(tags.length)} tags that go first are shown, at most ten of each repository.`}
        </span>
      </footer>
    </Card>
  );
}

function AsOf({ at, now }: { readonly at: number; readonly now: number }) {
  return (
    <span class="muted">
      as of <Time at={at} now={now} />
    </span>
  );
}

function UpcomingRow({ upcoming, now }: { readonly upcoming: ShownTag; readonly now: number }) {
  const { repo, tag, goes, because } = upcoming;
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={manifestAddress(repo, { kind: 'tag', tag })}>
          <PathName repo={repo} />:<b>{tag}</b>
        </a>
      </th>
      <td data-label="Goes">
        <GoesBadge goes={goes} now={now} />
      </td>
      <td data-label="Because">
        <a href={storageAddress(repo)}>{because === undefined ? 'nothing in the rule keeps it' : entryText(because)}</a>
      </td>
    </tr>
  );
}

/** What a run of retention would delete by all rules together. */
function NextRun({ rules }: Pick<Known, 'rules'>) {
  const sum = (of: (rule: RuleOutlook) => number): number => rules.reduce((total, rule) => total + of(rule), 0);
  const untagged = { count: sum((rule) => rule.untagged.count), bytes: sum((rule) => rule.untagged.bytes) };
  return <RunDeletes tags={sum((rule) => rule.going)} untagged={untagged} />;
}

/** Why things are kept: how many tags each entry of each rule keeps. */
export function KeptCard({ outlook, now }: OutlookProps) {
  if (outlook.kind !== 'known' || outlook.rules.length === 0) return null;
  return (
    <Card title="What the rules keep" icon="shield" aside={<AsOf at={outlook.computedAt} now={now} />}>
      {outlook.rules.map((rule, at) => (
        <RuleTable key={at} outlook={rule} />
      ))}
    </Card>
  );
}

function RuleTable({ outlook }: { readonly outlook: RuleOutlook }) {
  const { rule, repositories, tags, going, immutable, keptBy, untagged } = outlook;
  return (
    <table class="table kept">
      <caption class="hidden">{cut(rule.name, MAX_NAME)}</caption>
      <thead>
        <tr>
          <th scope="col">
            <Badge>{cut(rule.name, MAX_NAME)}</Badge> {formatCount(repositories, 'repository', 'repositories')}
          </th>
          <th scope="col" class="number">
            Tags
          </th>
        </tr>
      </thead>
      <tbody>
        {rule.keep === undefined ? (
          <KeptRow text="Every tag" count={tags} />
        ) : (
          <>
            {rule.keep.map((entry, at) => (
              <KeptRow key={at} text={entryText(entry)} count={keptBy[at] ?? 0} />
            ))}
            <KeptRow text="Go at the next run" count={going} />
          </>
        )}
        {immutable > 0 && <KeptRow text="Immutable" count={immutable} />}
      </tbody>
      <tfoot>
        <tr>
          <td colSpan={2} class="muted">
            {rule.deleteUntagged === undefined
              ? 'Manifests without a tag stay.'
              : `Manifests without a tag go after ${formatDuration(rule.deleteUntagged)}: ${formatCount(untagged.count, 'manifest')} at the next run.`}
          </td>
        </tr>
      </tfoot>
    </table>
  );
}

function KeptRow({ text, count }: { readonly text: string; readonly count: number }) {
  return (
    <tr>
      <th scope="row">{text.charAt(0).toUpperCase() + text.slice(1)}</th>
      <td class="number" data-label="Tags">
        {formatNumber(count)}
      </td>
    </tr>
  );
}
