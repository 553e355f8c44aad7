import { setTimeout as delay } from 'node:timers/promises';
import { TextPattern } from '../../access/rules/text-pattern.ts';
import { DURATION_FORMS, parseDuration } from '../../config/duration.ts';
import type { StoreReader } from '../../storage/driver.ts';
import { describeEvent, shortDigest } from '../describe-event.ts';
import { CommandError, EXIT, type ExitCode } from '../failure.ts';
import { count, formatTime, type Output, printable } from '../output.ts';
import { type AuditedEvent, type AuditedLog, nameOfLog, ROBOTS_LOG, repositoryLogs } from './audited-log.ts';
import { HeldBytes } from './held-bytes.ts';
import type { AuditFault } from './log-cursor.ts';
import { type AuditEntry, MergedLogs } from './merge.ts';
import { ReadAheadBudget } from './read-ahead.ts';

const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** `--follow` polls this many logs in each interval. */
const POLL_MS = 1_000;
const POLLED_LOGS = 50;
/** How often `--follow` lists new repositories. */
const LIST_MS = 10_000;
/** Columns are as wide as their widest entry so far, up to this. */
const MAX_WIDTH = 40;
const SEQ_WIDTH = 6;
const TYPE_WIDTH = 'manifest.deleted'.length;
/** Shown for old events without an actor. */
const NO_ACTOR = '-';

export interface AuditOptions {
  readonly repo?: string;
  readonly actor?: string;
  readonly since?: string;
  readonly follow?: true;
  readonly verify?: true;
  readonly json?: true;
}

export interface AuditPorts {
  readonly reader: StoreReader;
  /** Maximum difference between the clocks of nodes, in milliseconds. */
  readonly skew: number;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

interface Filter {
  readonly repo: TextPattern | undefined;
  readonly actor: TextPattern | undefined;
  /** Milliseconds since 1970; 0 for everything. */
  readonly since: number;
}

/** `audit`: prints all writes of all logs, ordered by time. Faults go to standard error. */
export async function showAudit(options: AuditOptions, ports: AuditPorts, output: Output): Promise<ExitCode> {
  const filter = filterOf(options, ports.now());
  const tally = { slots: 0, faults: 0 };
  const merged = new MergedLogs(
    {
      reader: ports.reader,
      verify: options.verify === true,
      budget: new ReadAheadBudget(new HeldBytes(MAX_HELD_BYTES)),
      report: async ({ log, seq, message }: AuditFault) => {
        tally.faults++;
        console.error(`marina: ${nameOfLog(log)}, slot ${seq}: ${message}`);
      },
    },
    Math.max(0, filter.since - ports.skew),
  );
  const write = options.json === true ? jsonWriter(output) : readableWriter(output);
  const writeMatching = async ({ log, slot }: AuditEntry): Promise<void> => {
    tally.slots++;
    if (Date.parse(slot.at) < filter.since) return;
    for (const event of slot.events) {
      const actor = event.actor ?? NO_ACTOR;
      if (filter.actor?.matches(actor) ?? true) await write({ log, slot, event, actor });
    }
  };
  for await (const entry of merged.read(logsFor(filter, ports.reader))) {
    if (ports.signal.aborted) break;
    await writeMatching(entry);
  }
  if (options.follow === true) await follow(merged, filter, ports, writeMatching);
  if (options.verify === true) {
    const verdict = tally.faults === 0 ? 'no faults' : count(tally.faults, 'fault');
    console.error(`marina: ${verdict} in ${count(tally.slots, 'slot')} of ${count(merged.size, 'log')}`);
  }
  return tally.faults === 0 ? EXIT.ok : EXIT.negative;
}

/** Polls with a bounded number of reads per second, regardless of the number of logs. */
async function follow(
  merged: MergedLogs,
  filter: Filter,
  { reader, now, signal }: AuditPorts,
  write: (entry: AuditEntry) => Promise<void>,
): Promise<void> {
  let listedAt = now();
  while (!signal.aborted) {
    for await (const entry of merged.poll(POLLED_LOGS)) await write(entry);
    if (now() - listedAt >= LIST_MS) {
      for await (const entry of merged.read(logsFor(filter, reader))) await write(entry);
      listedAt = now();
    }
    await pause(signal);
  }
}

async function pause(signal: AbortSignal): Promise<void> {
  try {
    await delay(POLL_MS, undefined, { signal });
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function* logsFor({ repo }: Filter, reader: StoreReader): AsyncGenerator<AuditedLog> {
  // Robots belong to no repository.
  if (repo === undefined) yield ROBOTS_LOG;
  for await (const log of repositoryLogs(reader)) {
    if (log.kind !== 'repository' || (repo?.matches(log.repo) ?? true)) yield log;
  }
}

interface Line extends AuditEntry {
  readonly event: AuditedEvent;
  readonly actor: string;
}

type Write = (line: Line) => Promise<void>;

function jsonWriter(output: Output): Write {
  return ({ log, slot: { at, seq, node }, event, actor }) => {
    const { actor: _, ...fields } = withoutSecret(event);
    const place = log.kind === 'robots' ? { log: 'robots' } : { repo: log.repo };
    return output.json({ at, actor, ...place, seq, node, event: fields });
  };
}

/** The hash of a secret is of no use in an audit. */
function withoutSecret(event: AuditedEvent): Omit<AuditedEvent, 'secret'> {
  if (event.type !== 'robot.created' && event.type !== 'robot.rotated') return event;
  const { secret: _, ...rest } = event;
  return rest;
}

function readableWriter(output: Output): Write {
  const widths = { log: 0, actor: 0 };
  const padded = (column: keyof typeof widths, text: string): string => {
    widths[column] = Math.min(MAX_WIDTH, Math.max(widths[column], text.length));
    return text.padEnd(widths[column]);
  };
  return ({ log, slot, event, actor }) =>
    output.line(
      [
        output.styled('dim', formatTime(slot.at)),
        padded('log', nameOfLog(log)),
        output.styled('yellow', String(slot.seq).padStart(SEQ_WIDTH)),
        padded('actor', printable(actor)),
        event.type.padEnd(TYPE_WIDTH),
        describe(event),
      ].join('  '),
    );
}

function describe(event: AuditedEvent): string {
  switch (event.type) {
    case 'robot.created':
    case 'robot.rotated':
      return `${event.name}${event.expires === undefined ? '' : ` until ${formatTime(event.expires)}`}`;
    case 'robot.revoked':
      return event.name;
    default:
      return describeEvent(event, shortDigest);
  }
}

function filterOf({ repo, actor, since }: AuditOptions, now: number): Filter {
  return {
    repo: repo === undefined ? undefined : pattern('--repo', repo),
    actor: actor === undefined ? undefined : pattern('--actor', actor),
    since: since === undefined ? 0 : parseSince(since, now),
  };
}

function pattern(option: string, text: string): TextPattern {
  const problem = TextPattern.problemOf(text);
  if (problem !== undefined) throw new CommandError(EXIT.failed, `${option}: ${problem}`);
  return new TextPattern(text);
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d(?:\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/;

/** Parses a time, in UTC unless it has a zone, or a duration before now. @returns milliseconds since 1970. @throws CommandError */
function parseSince(text: string, now: number): number {
  const ago = parseDuration(text);
  if (ago !== undefined) return now - ago;
  const [, day, minute = '00:00', second = ':00', zone = 'Z'] = TIME.exec(text) ?? [];
  const at = day === undefined ? Number.NaN : Date.parse(`${day}T${minute}${second}${zone}`);
  if (!Number.isNaN(at)) return at;
  throw new CommandError(EXIT.failed, `--since: a time like 2026-01-31T08:00:00Z, or ${DURATION_FORMS}, is expected`);
}
