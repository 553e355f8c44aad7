import type { OperationsOverview, ProcessFacts, ProcessList } from '../../operations/interface.ts';
import { Known } from '../components/administration.tsx';
import { Badge, Card, Notice, Time, type Tone } from '../components/basics.tsx';
import { TableHead } from '../components/table-head.tsx';
import { formatCount, formatDuration, formatNumber, sentence } from '../format.ts';
import type { Viewer } from '../viewer.ts';

/** Nodes and workers. */

const MAX_SHOWN = 100;
const SHOWN_HEX = 12;

interface Props {
  readonly part: OperationsOverview['processes'];
  readonly viewer: Viewer;
}

export function ProcessesCard({ part, viewer }: Props) {
  return (
    <Card title="Processes" icon="layers">
      <Known part={part} show={(list) => <Processes list={list} viewer={viewer} />} />
    </Card>
  );
}

function Processes({ list: { processes, problem }, viewer }: { readonly list: ProcessList; readonly viewer: Viewer }) {
  const areRulesEqual = haveEqualRules(processes);
  return (
    <>
      {problem !== undefined && (
        <div class="card-text">
          <Notice tone="bad">{sentence(`other processes are not known: ${problem}`)}</Notice>
        </div>
      )}
      {!areRulesEqual && (
        <div class="card-text">
          <Notice tone="warm">The nodes use different rules: compare their ACCESS_FILE.</Notice>
        </div>
      )}
      <table class="table counts">
        <caption class="hidden">Nodes and workers</caption>
        <TableHead names={['Name', 'State', 'Version']} numbers={['Threads', 'Started']} />
        <tbody>
          {processes.slice(0, MAX_SHOWN).map((each) => (
            <ProcessRow key={each.id} facts={each} showsRules={!areRulesEqual} viewer={viewer} />
          ))}
        </tbody>
      </table>
      {processes.length > MAX_SHOWN && (
        <p class="card-foot muted">{formatNumber(processes.length - MAX_SHOWN)} more are not shown.</p>
      )}
    </>
  );
}

const TONES: Readonly<Record<ProcessFacts['state'], Tone>> = {
  alive: 'good',
  late: 'warm',
  draining: 'accent',
  gone: 'bad',
};

interface RowProps {
  readonly facts: ProcessFacts;
  readonly showsRules: boolean;
  readonly viewer: Viewer;
}

function ProcessRow({ facts, showsRules, viewer }: RowProps) {
  const { name, role, isThis, state, silentFor, pid, version, threads, startedAt, jobs, address, rules } = facts;
  const isSilent = state === 'late' || state === 'gone';
  return (
    <tr>
      <th scope="row">
        {name} {isThis && <Badge>this one</Badge>}
        <span class="under">
          {role}, process {pid}
          {address !== undefined && `, ${address}`}
          {role === 'worker' && `, ${formatCount(jobs.length, 'kind')} of jobs`}
        </span>
        {showsRules && rules !== undefined && (
          <span class="under">
            rules <code>{rules.slice(0, SHOWN_HEX)}</code>
          </span>
        )}
      </th>
      <td data-label="State">
        <Badge tone={TONES[state]}>{state}</Badge>
        {isSilent && <span class="under">not heard for {formatDuration(silentFor)}</span>}
      </td>
      <td data-label="Version">{version}</td>
      <td class="number" data-label="Threads">
        {formatNumber(threads)}
      </td>
      <td class="number" data-label="Started">
        <Time at={startedAt} now={viewer.now} />
      </td>
    </tr>
  );
}

/** Whether all nodes that serve use the same ACCESS_FILE. */
function haveEqualRules(processes: readonly ProcessFacts[]): boolean {
  const serving = processes.filter(({ role, state }) => role === 'node' && state !== 'gone');
  return new Set(serving.map(({ rules }) => rules)).size <= 1;
}
