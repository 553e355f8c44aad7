import type { HoldFacts, OperationsOverview } from '../../operations/interface.ts';
import { Known } from '../components/administration.tsx';
import { Badge, Card, Empty, Size, Time } from '../components/basics.tsx';
import { TableHead } from '../components/table-head.tsx';
import { cut as cutText, formatActor, formatCount, formatDuration, formatNumber, sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';

/** Backups and pins. */

type Holds = OperationsOverview['holds'];
type Backup = Extract<OperationsOverview['backups'], { kind: 'known' }>['value'][number];

const MAX_BACKUPS = 10;
const MAX_PINS = 100;
const MAX_REASON = 300;
/** A backup renews its hold every five minutes. */
const SILENT_MS = 10 * 60_000;
/** The name of its hold begins so. */
const HOLD_PREFIX = /^backup-/;

interface BackupsProps {
  readonly holds: Holds;
  readonly backups: OperationsOverview['backups'];
  readonly viewer: Viewer;
}

export function BackupsCard({ holds, backups, viewer }: BackupsProps) {
  return (
    <Card title="Backups" icon="box">
      <Known
        part={holds}
        show={(known) => (
          <Known
            part={backups}
            show={(ended) => (
              <Backups running={known.filter(({ isBackup }) => isBackup)} ended={ended} viewer={viewer} />
            )}
          />
        )}
      />
    </Card>
  );
}

interface TableProps {
  readonly running: readonly HoldFacts[];
  readonly ended: readonly Backup[];
  readonly viewer: Viewer;
}

function Backups({ running, ended, viewer }: TableProps) {
  if (running.length + ended.length === 0)
    return (
      <Empty icon="box" title="There was no backup yet">
        <p>“marina backup” makes one, while clients push.</p>
      </Empty>
    );
  return (
    <>
      <table class="table">
        <caption class="hidden">Backups in progress, and the last ones that ended</caption>
        <TableHead names={['Name', 'Result']} numbers={['Added', 'Ended']} />
        <tbody>
          {running.map((hold) => (
            <RunningRow key={hold.id} hold={hold} viewer={viewer} />
          ))}
          {ended.slice(0, MAX_BACKUPS).map((backup) => (
            <EndedRow key={backup.run} backup={backup} viewer={viewer} />
          ))}
        </tbody>
      </table>
      <p class="card-foot muted">
        {ended.length > MAX_BACKUPS && `${formatNumber(ended.length - MAX_BACKUPS)} earlier ones are not shown. `}
        The registry does not see the places: “marina backup verify” checks what is there.
      </p>
    </>
  );
}

function RunningRow({ hold, viewer }: { readonly hold: HoldFacts; readonly viewer: Viewer }) {
  const { name, created, renewedAt, moment, by, repositories } = hold;
  const silentFor = viewer.now - renewedAt;
  return (
    <tr>
      <th scope="row">
        {name.replace(HOLD_PREFIX, '')}
        <span class="under">
          {formatCount(repositories, 'repository', 'repositories')} as of <Time at={moment} now={viewer.now} />, by{' '}
          {formatActor(by)}
        </span>
      </th>
      <td data-label="Result">
        {silentFor < SILENT_MS ? (
          <Badge tone="accent">running</Badge>
        ) : (
          <>
            <Badge tone="warm">silent</Badge>
            <span class="under">not heard for {formatDuration(silentFor)}; it may have been killed</span>
          </>
        )}
      </td>
      <td class="number" colSpan={2}>
        began <Time at={created} now={viewer.now} />
      </td>
    </tr>
  );
}

function EndedRow({ backup, viewer }: { readonly backup: Backup; readonly viewer: Viewer }) {
  const { name, place, by, startedAt, finishedAt, added, cut, failed } = backup;
  return (
    <tr>
      <th scope="row">
        {name}
        <span class="under">
          to {place}, by {formatActor(by)}
        </span>
        {cut !== undefined && (
          <span class="under">
            {formatCount(cut.repositories, 'repository', 'repositories')}, up to note {formatNumber(cut.note)}
          </span>
        )}
        {failed !== undefined && <span class="under letter-reason">{sentence(cutText(failed, MAX_REASON))}</span>}
      </th>
      <td data-label="Result">
        {failed === undefined ? <Badge tone="good">whole</Badge> : <Badge tone="bad">failed</Badge>}
      </td>
      <td class="number" data-label="Added">
        <Size bytes={added.bytes} />
        <span class="under">{formatCount(added.objects, 'object')}</span>
      </td>
      <td class="number" data-label="Ended">
        <Time at={finishedAt} now={viewer.now} />
        <span class="under">took {((finishedAt - startedAt) / 1000).toFixed(1)} s</span>
      </td>
    </tr>
  );
}

export function PinsCard({ part, viewer }: { readonly part: Holds; readonly viewer: Viewer }) {
  return (
    <Card title="Pins" icon="pin">
      <Known part={part} show={(holds) => <Pins pins={holds.filter(({ isBackup }) => !isBackup)} viewer={viewer} />} />
    </Card>
  );
}

function Pins({ pins, viewer }: { readonly pins: readonly HoldFacts[]; readonly viewer: Viewer }) {
  if (pins.length === 0) return <Empty icon="pin" title="Nothing is pinned" />;
  return (
    <ul class="names">
      {pins.slice(0, MAX_PINS).map(({ id, name, moment, until, by, repositories }) => (
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
