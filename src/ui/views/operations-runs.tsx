import type { OperationsOverview } from '../../operations/interface.ts';
import { Fact, Known, OrderButton } from '../components/administration.tsx';
import { Badge, Card, Empty, Notice, Size, Time } from '../components/basics.tsx';
import { formatCount, formatDuration, formatNumber, sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';

/** Collection, retention, and replication. */

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

interface RetentionProps extends Props<'retention'> {
  /** Whether a run can be ordered. */
  readonly hasRules: boolean;
}

export function RetentionCard({ part, hasRules, viewer }: RetentionProps) {
  return (
    <Card
      title="Retention"
      icon="hourglass"
      aside={
        hasRules ? (
          <OrderButton order="retain" viewer={viewer}>
            Run now
          </OrderButton>
        ) : undefined
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
          const { source, promoted, problem, missing, noted } = lag;
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
                  {problem === undefined ? <LagText lag={lag} /> : <Badge tone="bad">unknown</Badge>}
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

/** A replica that has everything makes a request every 30 s. */
const SILENT_MS = 90_000;

export function ReplicasCard({ part, viewer }: Props<'replicas'>) {
  if (part.kind === 'known' && part.value.length === 0) return null;
  return (
    <Card title="Replicas" icon="copy">
      <Known
        part={part}
        show={(replicas) => (
          <ul class="names">
            {replicas.map(({ id, name, client, silentFor, note, behind: { notes, since } }) => (
              <li key={id}>
                <b>{name}</b>
                <ReplicaState silentFor={silentFor} behind={notes} />
                <span class="under">
                  {client !== undefined && `${client}, `}has note {formatNumber(note)}
                  {since !== undefined && (
                    <>
                      , the next is of <Time at={since} now={viewer.now} />
                    </>
                  )}
                  {silentFor >= SILENT_MS && `, not heard for ${formatDuration(silentFor)}`}
                </span>
              </li>
            ))}
          </ul>
        )}
      />
    </Card>
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

function ReplicaState({ silentFor, behind }: { readonly silentFor: number; readonly behind: number }) {
  if (silentFor >= SILENT_MS) return <Badge tone="bad">silent</Badge>;
  if (behind === 0) return <Badge tone="good">up to date</Badge>;
  return <Badge tone="accent">{formatCount(behind, 'note')} behind</Badge>;
}

type KnownLag = NonNullable<Extract<OperationsOverview['replica'], { readonly kind: 'known' }>['value']>;

function LagText({ lag: { changes, repositories, bytes, seconds, isMore } }: { readonly lag: KnownLag }) {
  if (changes === 0) return <Badge tone="good">none</Badge>;
  return (
    <>
      {isMore && 'at least '}
      {formatCount(changes, 'change')}, {Math.round(seconds)} s
      <span class="under">
        {formatCount(repositories, 'repository', 'repositories')}, <Size bytes={bytes} />
      </span>
    </>
  );
}
