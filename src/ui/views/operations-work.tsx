import type { JobFacts, OperationsOverview, Part } from '../../operations/interface.ts';
import { OPERATIONS } from '../addresses.ts';
import { Known, OrderButton } from '../components/administration.tsx';
import { Badge, Card, Empty, Time, type Tone } from '../components/basics.tsx';
import { TableHead } from '../components/table-head.tsx';
import { FormToken } from '../document.tsx';
import { cut, formatAge, formatCount, formatNumber } from '../format.ts';
import type { Viewer } from '../viewer.ts';

/** Background jobs and webhooks. */

const MAX_REASON = 300;

const JOBS: Readonly<Record<JobFacts['counts'][number]['kind'], string>> = {
  snapshot: 'Write a snapshot',
  'sweep-snapshots': 'Remove old snapshots',
  'sweep-notes': 'Find unreported writes',
  'expire-uploads': 'End expired uploads',
  'reap-multiparts': 'Abort old multipart uploads',
  collect: 'Collect garbage',
  retain: 'Apply retention',
};

export function JobsCard({ part, viewer }: { readonly part: Part<JobFacts>; readonly viewer: Viewer }) {
  return (
    <Card title="Background jobs" icon="list">
      <Known part={part} show={(facts) => <Jobs facts={facts} viewer={viewer} />} />
    </Card>
  );
}

function Jobs({ facts: { counts, deadLetters }, viewer }: { readonly facts: JobFacts; readonly viewer: Viewer }) {
  return (
    <>
      <table class="table counts">
        <caption class="hidden">Jobs by kind</caption>
        <TableHead names={['Kind']} numbers={['Running', 'Waiting', 'Delayed', 'Dead']} />
        <tbody>
          {counts.map(({ kind, active, waiting, delayed, failed, oldestSeconds }) => (
            <tr key={kind}>
              <th scope="row">
                {JOBS[kind]}
                {oldestSeconds >= 60 && (
                  <span class="under">the oldest became ready {formatAge(-oldestSeconds * 1000, 0)}</span>
                )}
              </th>
              <td class="number" data-label="Running">
                {formatNumber(active)}
              </td>
              <td class="number" data-label="Waiting">
                {formatNumber(waiting)}
              </td>
              <td class="number" data-label="Delayed">
                {formatNumber(delayed)}
              </td>
              <td class="number" data-label="Dead">
                {failed === 0 ? '0' : <Badge tone="bad">{formatNumber(failed)}</Badge>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {deadLetters.length > 0 && (
        <ul class="letters" aria-label="Dead letters">
          {deadLetters.map(({ id, kind, payload, attempts, reason, failedAt }) => (
            <li key={id}>
              <div class="letter">
                <b>{JOBS[kind]}</b> <code>{cut(JSON.stringify(payload), MAX_REASON)}</code>
                <span class="under letter-reason">{cut(reason, MAX_REASON)}</span>
                <span class="under">
                  {formatCount(attempts, 'attempt')}, the last <Time at={failedAt} now={viewer.now} />
                </span>
              </div>
              <OrderButton order="retry-job" fields={{ id }} viewer={viewer} about={kind}>
                Retry
              </OrderButton>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}

type Webhooks = NonNullable<Extract<OperationsOverview['webhooks'], { kind: 'known' }>['value']>;
type Webhook = Webhooks[number];

const TONES: Readonly<Record<Webhook['condition'], Tone>> = {
  'not started': 'plain',
  paused: 'warm',
  failing: 'bad',
  'up to date': 'good',
  delivering: 'accent',
};

interface WebhooksProps {
  readonly part: OperationsOverview['webhooks'];
  readonly viewer: Viewer;
}

export function WebhooksCard({ part, viewer }: WebhooksProps) {
  return (
    <Card title="Webhooks" icon="link">
      <Known part={part} show={(webhooks) => <WebhookList webhooks={webhooks} viewer={viewer} />} />
    </Card>
  );
}

interface ListProps {
  readonly webhooks: Webhooks | undefined;
  readonly viewer: Viewer;
}

function WebhookList({ webhooks, viewer }: ListProps) {
  if (webhooks === undefined || webhooks.length === 0)
    return (
      <Empty icon="link" title="There are no webhooks">
        <p>{webhooks === undefined ? 'WEBHOOKS_FILE is not set.' : 'WEBHOOKS_FILE names none.'}</p>
      </Empty>
    );
  return (
    <ul class="letters" aria-label="Webhooks">
      {webhooks.map((webhook) => (
        <WebhookRow key={webhook.name} webhook={webhook} viewer={viewer} />
      ))}
    </ul>
  );
}

function WebhookRow({ webhook, viewer }: { readonly webhook: Webhook; readonly viewer: Viewer }) {
  const { name, host, format, condition, behind, failing, totals } = webhook;
  const now = viewer.now;
  return (
    <li>
      <div class="letter">
        <b>{name}</b> <Badge tone={TONES[condition]}>{condition}</Badge>
        <span class="under">
          {format} to {host}
        </span>
        {behind.changes > 0 && (
          <span class="under">
            {behind.isMore && 'at least '}
            {formatCount(behind.changes, 'change')} behind, the oldest came{' '}
            <Time at={now - behind.seconds * 1000} now={now} />
          </span>
        )}
        {failing !== undefined && (
          <span class="under letter-reason">
            {formatCount(failing.attempts, 'failure')} since <Time at={failing.since} now={now} />:{' '}
            {cut(failing.reason, MAX_REASON)}
          </span>
        )}
        {totals !== undefined && (
          <span class="under">
            {formatNumber(totals.delivered)} delivered, {formatNumber(totals.skipped)} skipped
          </span>
        )}
      </div>
      {viewer.passive === undefined && (
        <div class="orders-row">
          {condition === 'paused' ? (
            <OrderButton order="resume-webhook" fields={{ name }} viewer={viewer} tone="main" about={name}>
              Resume
            </OrderButton>
          ) : (
            <OrderButton order="pause-webhook" fields={{ name }} viewer={viewer} about={name}>
              Pause
            </OrderButton>
          )}
          <OrderButton order="test-webhook" fields={{ name }} viewer={viewer} about={name}>
            Test
          </OrderButton>
          <details class="replay">
            <summary class="button button-small">
              Replay<span class="hidden"> {name}</span>
            </summary>
            <form action={OPERATIONS} method="post">
              <FormToken viewer={viewer} />
              <input type="hidden" name="name" value={name} />
              <label class="field">
                <span>Since</span>
                <input
                  name="since"
                  required
                  placeholder="2026-11-28T10:00:00Z, beginning"
                  autocomplete="off"
                  spellcheck={false}
                  maxLength={500}
                />
              </label>
              <button type="submit" class="button button-small button-main" name="order" value="replay-webhook">
                Deliver again
              </button>
            </form>
          </details>
        </div>
      )}
    </li>
  );
}
