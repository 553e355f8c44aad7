import type {
  NodeFacts,
  OperationsOrder,
  OperationsOverview,
  OrderOutcome,
  Part,
  ServiceHealth,
  WriteFacts,
} from '../../operations/interface.ts';
import { OPERATIONS } from '../addresses.ts';
import { Fact, Known, OrderButton } from '../components/administration.tsx';
import { Badge, Card, Notice, Size, Time, type Tone } from '../components/basics.tsx';
import { Icon, type IconName } from '../components/icon.tsx';
import { formatActor, formatCount, sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';
import { BackupsCard, PinsCard } from './operations-backups.tsx';
import { ProcessesCard } from './operations-processes.tsx';
import { CollectionCard, ReplicaCard, ReplicasCard, RetentionCard } from './operations-runs.tsx';
import { JobsCard, WebhooksCard } from './operations-work.tsx';

interface OperationsProps {
  readonly data: OperationsOverview;
  /** The kind of an order that was carried out; empty if there was none. */
  readonly done: string;
  /** Of an order whose result is only here. */
  readonly outcome?: OrderOutcome;
  readonly viewer: Viewer;
}

/** How the registry runs, for administrators. */
export function Operations({ data, done, outcome, viewer }: OperationsProps) {
  return (
    <>
      <div class="title-row">
        <h1>Operations</h1>
        <a class="button button-quiet" href={OPERATIONS}>
          <Icon name="refresh" />
          Refresh
        </a>
      </div>
      <Done done={done} outcome={outcome} />
      <div class="columns">
        <div class="column-main">
          <WritesCard part={data.writes} viewer={viewer} />
          <ProcessesCard part={data.processes} viewer={viewer} />
          <JobsCard part={data.jobs} viewer={viewer} />
          <WebhooksCard part={data.webhooks} viewer={viewer} />
          <BackupsCard holds={data.holds} backups={data.backups} viewer={viewer} />
          <CollectionCard part={data.collection} viewer={viewer} />
          <RetentionCard part={data.retention} hasRules={hasRules(data.node)} viewer={viewer} />
        </div>
        <div class="column-side">
          <HealthCard services={data.services} />
          <NodeCard part={data.node} viewer={viewer} />
          <ReplicaCard part={data.replica} viewer={viewer} />
          <ReplicasCard part={data.replicas} viewer={viewer} />
          <PinsCard part={data.holds} viewer={viewer} />
        </div>
      </div>
    </>
  );
}

/** If that is not known, the order may be given, and is refused without rules. */
function hasRules(node: Part<NodeFacts>): boolean {
  return node.kind === 'unknown' || node.value.hasRetention;
}

const DONE: Readonly<Record<OperationsOrder['kind'], string>> = {
  'read-only': 'The switch was turned.',
  collect: 'A collection was requested. Its numbers are here when it has ended.',
  retain: 'A run of retention was requested. Its numbers are here when it has ended.',
  'retry-job': 'The job is queued again.',
  'pause-webhook': 'The webhook is paused.',
  'resume-webhook': 'The webhook is resumed.',
  'replay-webhook': 'The webhook gets the changes again.',
  'test-webhook': 'The webhook was tested.',
};

function isOrder(text: string): text is OperationsOrder['kind'] {
  return Object.hasOwn(DONE, text);
}

function Done({ done, outcome }: { readonly done: string; readonly outcome: OrderOutcome | undefined }) {
  if (outcome !== undefined) return <Notice tone={outcome.isDone ? 'good' : 'bad'}>{sentence(outcome.message)}</Notice>;
  return isOrder(done) ? (
    <Notice tone="good" icon="check">
      {DONE[done]}
    </Notice>
  ) : null;
}

const STATES: Readonly<Record<WriteFacts['state'], readonly [tone: Tone, text: string, about: string]>> = {
  writable: ['good', 'writable', 'Pushes and deletes are accepted.'],
  paused: ['warm', 'read-only', 'Pushes and deletes are refused, but uploads in progress may finish.'],
  'read-only': ['warm', 'read-only', 'READ_ONLY is set: this cannot be changed while the registry runs.'],
  replica: ['accent', 'replica', 'Only the source of this replica changes it.'],
};

function WritesCard({ part, viewer }: { readonly part: Part<WriteFacts>; readonly viewer: Viewer }) {
  return (
    <Card title="Writes" icon="lock">
      <Known
        part={part}
        show={({ state, since, by }) => {
          const [tone, text, about] = STATES[state];
          const at = since === undefined ? Number.NaN : Date.parse(since);
          return (
            <div class="card-text switch">
              <Badge tone={tone}>{text}</Badge>
              <span class="switch-text">
                {about}
                {state === 'paused' && !Number.isNaN(at) && (
                  <span class="under">
                    Since <Time at={at} now={viewer.now} />
                    {by !== undefined && <> by {formatActor(by)}</>}
                  </span>
                )}
              </span>
              {state === 'writable' && (
                <OrderButton order="read-only" fields={{ on: 'true' }} viewer={viewer} tone="danger">
                  Make read-only
                </OrderButton>
              )}
              {state === 'paused' && (
                <OrderButton order="read-only" fields={{ on: 'false' }} viewer={viewer} tone="main">
                  Accept writes
                </OrderButton>
              )}
            </div>
          );
        }}
      />
    </Card>
  );
}

const SERVICES: Readonly<Record<ServiceHealth['name'], readonly [name: string, icon: IconName]>> = {
  store: ['Store', 'box'],
  redis: ['Redis', 'layers'],
};

function HealthCard({ services }: { readonly services: readonly ServiceHealth[] }) {
  return (
    <Card title="Health" icon="shield">
      <ul class="names">
        {services.map(({ name, milliseconds, problem }) => (
          <li key={name}>
            <span>{SERVICES[name][0]}</span>
            {milliseconds === undefined ? (
              <Badge tone="bad">does not answer</Badge>
            ) : (
              <span>
                <Badge tone="good">answers</Badge> <span class="muted number">{milliseconds.toFixed(1)} ms</span>
              </span>
            )}
            {problem !== undefined && <span class="under">{sentence(problem)}</span>}
          </li>
        ))}
      </ul>
    </Card>
  );
}

function NodeCard({ part, viewer }: { readonly part: Part<NodeFacts>; readonly viewer: Viewer }) {
  return (
    <Card title="This node" icon="gauge">
      <Known
        part={part}
        show={({ name, version, shape, storage, store, startedAt, memory, threads }) => (
          <dl class="names">
            <Fact name="Name">{name}</Fact>
            <Fact name="Version">{version}</Fact>
            <Fact name="Shape">{shape === 'cluster' ? 'node of a cluster' : 'one process'}</Fact>
            <Fact name="Storage">{storage}</Fact>
            <Fact name="Store">
              <code>{store}</code>
            </Fact>
            <Fact name="Started">
              <Time at={startedAt} now={viewer.now} />
            </Fact>
            <Fact name="Memory">
              <Size bytes={memory} />
            </Fact>
            <Fact name="Threads">
              {formatCount(threads.length, 'thread')}
              <ThreadsLine threads={threads} />
            </Fact>
          </dl>
        )}
      />
    </Card>
  );
}

function ThreadsLine({ threads }: Pick<NodeFacts, 'threads'>) {
  const silent = threads.filter(({ inFlight }) => inFlight === undefined);
  const requests = threads.reduce((sum, { inFlight = 0 }) => sum + inFlight, 0);
  return (
    <>
      <span class="under">
        {formatCount(requests, 'request')} in progress
        {threads.length > 1 && ` (${threads.map(({ inFlight = '?' }) => inFlight).join(' + ')})`}
      </span>
      {silent.map(({ index }) => (
        <span key={index} class="under">
          <Badge tone="bad">no answer</Badge> thread {index}
        </span>
      ))}
    </>
  );
}
