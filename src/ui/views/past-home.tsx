import type { TimeMoment } from '../../past/moment.ts';
import { HOME, momentAddress, repositoryAddress } from '../addresses.ts';
import { Card, Empty, NextPage, Size, Time } from '../components/basics.tsx';
import { Forbidden } from '../components/overview-parts.tsx';
import { PathName } from '../components/repository-path.tsx';
import { Ribbon } from '../components/ribbon.tsx';
import { TableHead } from '../components/table-head.tsx';
import { formatNumber } from '../format.ts';
import type { PastHomeData, PastRepositorySummary } from '../load/load-past-home.ts';
import type { Viewer } from '../viewer.ts';

interface Props {
  readonly data: PastHomeData;
  readonly at: TimeMoment;
  readonly viewer: Viewer;
}

/** The repositories that there were. */
export function PastHome({ data, at, viewer }: Props) {
  return (
    <>
      <Ribbon at={at} back={HOME} named="" travel={undefined} now={viewer.now} />
      <h1>Repositories</h1>
      {data.kind === 'forbidden' ? (
        <Forbidden viewer={viewer} address="/ui/at/<moment>/repositories/<name>" />
      ) : (
        <List data={data} at={at} now={viewer.now} />
      )}
    </>
  );
}

interface ListProps {
  readonly data: Extract<PastHomeData, { readonly kind: 'listed' }>;
  readonly at: TimeMoment;
  readonly now: number;
}

function List({ data: { items, next }, at, now }: ListProps) {
  if (items.length === 0 && next === undefined) {
    return (
      <Empty icon="box" title="There were no repositories">
        <p>None that you may pull from today existed then.</p>
      </Empty>
    );
  }
  return (
    <Card title="By name" icon="box" note="search, totals and sharing are known only for now">
      <table class="table repositories">
        <TableHead names={['Repository']} numbers={['Tags', 'Size', 'Changed']} />
        <tbody>
          {items.map((each) => (
            <Row key={each.repo} item={each} at={at} now={now} />
          ))}
        </tbody>
      </table>
      {items.length === 0 && <p class="card-text muted">None of the names that were looked at so far existed then.</p>}
      {next !== undefined && (
        <footer class="card-foot">
          <NextPage href={momentAddress(at, { after: next })} />
        </footer>
      )}
    </Card>
  );
}

interface RowProps {
  readonly item: PastRepositorySummary;
  readonly at: TimeMoment;
  readonly now: number;
}

function Row({ item: { repo, tags, bytes, changed }, at, now }: RowProps) {
  return (
    <tr>
      <th scope="row">
        <a class="row-link" href={repositoryAddress({ repo, at })}>
          <PathName repo={repo} />
        </a>
      </th>
      <td class="number" data-label="Tags">
        {formatNumber(tags)}
      </td>
      <td class="number" data-label="Size">
        <Size bytes={bytes} />
      </td>
      <td class="number" data-label="Changed">
        {changed === undefined ? '–' : <Time at={Date.parse(changed)} now={now} />}
      </td>
    </tr>
  );
}
