import type { HoldFacts, OperationsOverview } from '../../operations/interface.ts';
import { Fact, Known, OrderButton } from '../components/administration.tsx';
import { Badge, Card, Empty, Notice, Size, Time } from '../components/basics.tsx';
import { formatActor, formatCount, formatNumber, sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';

/** Collection, retention, the replica, and what is kept. */

interface Props<Name extends keyof OperationsOverview> {
  readonly part: OperationsOverview[Name];
  readonly viewer: Viewer;
}

export function CollectionCard({ part, viewer }: Props<'collection'>) {
  const order = (
    <OrderButton order="collect" viewer={viewer}>
      Collect now
    </OrderButton>
  );
  return (
    <Card title="Garbage collection" icon="trash" aside={order}>
      <Known
        part={part}
        show={(report) => {
          if (report === undefined) return <Empty icon="trash" title="Nothing was collected yet" />;
          const { freed, kept, waiting, examined, unlinked, failures, failed, startedAt, finishedAt } = report;
          return (
            <>
              <dl class="numbers run-numbers">
                <Amount name="Freed" amount={freed} />
                <Amount name="Kept" amount={kept} />
                <Amount name="Waiting" amount={waiting} />
              </dl>
              <p class="card-text muted">
                Ended <Time at={finishedAt} now={viewer.now} />, after {secondsOf(startedAt, finishedAt)};{' '}
                {formatCount(examined.objects, 'object')} examined, {formatCount(unlinked, 'unreferenced blob')}{' '}
                unlinked
                {failures > 0 && (
                  <>
                    {' '}
                    <Badge tone="bad">{formatCount(failures, 'failure')}</Badge>
                  </>
                )}
              </p>
              {failed !== undefined && <Problem text={`it ended early: ${failed}`} />}
            </>
          );
        }}
      />
    </Card>
  );
}

interface AmountProps {
  readonly name: string;
  readonly amount: { readonly objects: number; readonly bytes: number };
}

function Amount({ name, amount: { objects, bytes } }: AmountProps) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>
        <Size bytes={bytes} />
        <span class="under">{formatCount(objects, 'object')}</span>
      </dd>
    </div>
  );
}

export function RetentionCard({ part, viewer }: Props<'retention'>) {
  return (
    <Card
      title="Retention"
      icon="hourglass"
      aside={
        <OrderButton order="retain" viewer={viewer}>
          Run now
        </OrderButton>
      }
    >
      <Known
        part={part}
        show={(report) => {
          if (report === undefined)
            return (
              <Empty icon="hourglass" title="Retention has not run">
                <p>RETENTION_FILE says what is kept.</p>
              </Empty>
            );
          const { tags, manifests, bytes, repositories, failed, startedAt, finishedAt } = report;
          return (
            <>
              <p class="card-text">
                {formatCount(tags, 'tag')} and {formatCount(manifests, 'manifest')} with <Size bytes={bytes} /> deleted
                in {formatCount(repositories, 'repository', 'repositories')}
                <span class="under">
                  Ended <Time at={finishedAt} now={viewer.now} />, after {secondsOf(startedAt, finishedAt)}
                </span>
              </p>
              {failed !== undefined && <Problem text={failed} />}
            </>
          );
        }}
      />
    </Card>
  );
}

export function ReplicaCard({ part, viewer }: Props<'replica'>) {
  if (part.kind === 'known' && part.value === undefined) return null;
  return (
    <Card title="Replica" icon="copy">
      <Known
        part={part}
        show={(lag) => {
          if (lag === undefined) return null;
          const { source, promoted, problem, changes, repositories, bytes, seconds, isMore, missing, noted } = lag;
          return (
            <>
              <dl class="names">
                <Fact name="Source">{source}</Fact>
                {promoted !== undefined && (
                  <Fact name="Promoted">
                    <Time at={Date.parse(promoted)} now={viewer.now} />
                  </Fact>
                )}
                {noted !== undefined && (
                  <Fact name="Copied up to">
                    <Time at={Date.parse(noted)} now={viewer.now} />
                  </Fact>
                )}
                <Fact name="Lag">
                  {problem !== undefined ? (
                    <Badge tone="bad">unknown</Badge>
                  ) : changes === 0 ? (
                    <Badge tone="good">none</Badge>
                  ) : (
                    <>
                      {isMore && 'at least '}
                      {formatCount(changes, 'change')}, {Math.round(seconds)} s
                      <span class="under">
                        {formatCount(repositories, 'repository', 'repositories')}, <Size bytes={bytes} />
                      </span>
                    </>
                  )}
                </Fact>
                {missing !== undefined && missing > 0 && (
                  <Fact name="Missing at the source">
                    <Badge tone="warm">{formatNumber(missing)}</Badge>
                  </Fact>
                )}
              </dl>
              {problem !== undefined && <Problem text={problem} />}
            </>
          );
        }}
      />
    </Card>
  );
}

const MAX_HOLDS = 100;

export function HoldsCard({ part, viewer }: Props<'holds'>) {
  return (
    <Card title="Pins and backups" icon="pin">
      <Known part={part} show={(holds) => <Holds holds={holds} viewer={viewer} />} />
      <p class="card-foot muted">Backups are kept elsewhere: only those in progress are known here.</p>
    </Card>
  );
}

function Holds({ holds, viewer }: { readonly holds: readonly HoldFacts[]; readonly viewer: Viewer }) {
  if (holds.length === 0) return <Empty icon="pin" title="Nothing is pinned, and no backup is in progress" />;
  return (
    <ul class="names">
      {holds.slice(0, MAX_HOLDS).map(({ id, name, moment, until, by, repositories }) => (
        <li key={id}>
          <b>{name}</b>
          <span class="muted">{formatCount(repositories, 'repository', 'repositories')}</span>
          <span class="under">
            as of <Time at={moment} now={viewer.now} />, until {new Date(until).toISOString().slice(0, 10)}, by{' '}
            {formatActor(by)}
          </span>
        </li>
      ))}
    </ul>
  );
}

function Problem({ text }: { readonly text: string }) {
  return (
    <div class="card-text">
      <Notice tone="bad">{sentence(text)}</Notice>
    </div>
  );
}

function secondsOf(startedAt: number, finishedAt: number): string {
  return `${((finishedAt - startedAt) / 1000).toFixed(1)} s`;
}
