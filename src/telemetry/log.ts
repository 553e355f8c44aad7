import pino, { type Logger } from 'pino';
import type { SinkMemory } from './line-protocol.ts';
import { LineSink } from './line-sink.ts';
import { LineWriter } from './line-writer.ts';
import { type Outcome, type RequestLabels, withoutBraces } from './request-labels.ts';

export type { Logger } from 'pino';

const SERIALIZERS = { err: loggable };

/**
 * What pino logs of an error. Bun's errors of modules that cannot be loaded have a toJSON, which pino copies, and which throws in the copy:
 * then the line would not have the reason.
 */
function loggable(error: Error): object {
  const { toJSON: _, ...shown } = pino.stdSerializers.err(error);
  return shown;
}

/** Who sent a request. */
interface Sender {
  /** Address of the client, if known. */
  readonly client: string | undefined;
  /** The identity that sent the request. */
  readonly actor: string;
  /** Number of the rule of ACCESS_FILE that allows the request; undefined if it was refused, or no rule was asked. */
  readonly rule?: number | undefined;
}

/** One request, as its access line reports it. */
export interface AccessEntry extends Sender, Outcome {
  readonly requestId: string;
  readonly labels: RequestLabels;
  readonly milliseconds: number;
}

export interface Logs {
  readonly logger: Logger;
  /** Writes one line per request; undefined if the log level excludes those. */
  readonly access: ((entry: AccessEntry) => void) | undefined;
  /** Returns when all lines so far have left the process. */
  readonly flush: () => void;
}

/** Where and how one thread logs. It can be sent to that thread. */
export type LogTarget = PrettyTarget | JsonTarget;

interface CommonTarget {
  readonly level: string;
  /** From 1, in lines other than those of requests; undefined: the main thread, whose lines name none. */
  readonly thread: number | undefined;
}

interface PrettyTarget extends CommonTarget {
  readonly kind: 'pretty';
  readonly isColored: boolean;
}

interface JsonTarget extends CommonTarget {
  readonly kind: 'json';
  readonly sink: SinkMemory;
}

export interface LogOptions {
  readonly level: string;
  readonly format: 'auto' | 'json' | 'pretty';
}

/** Opens the log of a process in which only this thread logs. */
export async function openLogs(options: LogOptions): Promise<Logs> {
  const [target] = openLogTargets(options, 1);
  if (target === undefined) throw new Error('there is no target for the log');
  return await logsOf(target);
}

/** For a process that does not log. */
export function noLogs(): Logs {
  return { logger: pino({ level: 'silent' }), access: undefined, flush: () => {} };
}

/** Opens the log of a process, for this number of threads. */
export function openLogTargets({ level, format }: LogOptions, threads: number): readonly LogTarget[] {
  const isTerminal = process.stdout.isTTY === true;
  if (format === 'pretty' || (format === 'auto' && isTerminal))
    return Array.from({ length: threads }, (_, index) => {
      return { kind: 'pretty', level, thread: nameOf(index), isColored: isTerminal };
    });
  return new LineWriter(1, threads).sinks.map((sink, index) => ({ kind: 'json', level, thread: nameOf(index), sink }));
}

function nameOf(index: number): number | undefined {
  return index === 0 ? undefined : index;
}

/** To be called by the thread that logs to this target. */
export async function logsOf(target: LogTarget): Promise<Logs> {
  switch (target.kind) {
    case 'pretty':
      return await prettyLogs(target);
    case 'json':
      return jsonLogs(target);
  }
}

async function prettyLogs({ level, thread, isColored }: PrettyTarget): Promise<Logs> {
  // Few processes log to a terminal; the others need not load it.
  const { default: pretty } = await import('pino-pretty');
  const stream = pretty({
    colorize: isColored,
    sync: true,
    ignore: 'pid,hostname',
    singleLine: true,
  });
  const logger = pino(
    { level, serializers: SERIALIZERS, ...(thread === undefined ? {} : { base: { thread } }) },
    stream,
  );
  const access = ({ labels: { method, path, ...labels }, status, milliseconds, ...entry }: AccessEntry): void => {
    // Control characters of a client must not reach the terminal.
    const shown = JSON.stringify(path).slice(1, -1);
    logger.info({ ...labels, ...entry }, `${method} ${shown} ${status} in ${inThousandths(milliseconds)} ms`);
  };
  return { logger, access: logger.isLevelEnabled('info') ? access : undefined, flush: () => {} };
}

function inThousandths(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

function jsonLogs({ level, thread, sink: memory }: JsonTarget): Logs {
  const sink = new LineSink(memory);
  const logger = pino({ level, serializers: SERIALIZERS, base: thread === undefined ? null : { thread } }, sink);
  return {
    logger,
    access: logger.isLevelEnabled('info') ? (entry) => sink.write(lineOf(entry)) : undefined,
    flush: () => sink.flushSync(),
  };
}

let lastSender: Sender = { client: undefined, actor: '', rule: undefined };
let lastSenderJson = withoutBraces({ ...lastSender });

/** As JSON without braces, with the last result cached: consecutive requests mostly have the same sender. */
function senderJson({ client, actor, rule }: AccessEntry): string {
  if (client !== lastSender.client || actor !== lastSender.actor || rule !== lastSender.rule) {
    lastSender = { client, actor, rule };
    lastSenderJson = withoutBraces({ client, actor, rule });
  }
  return lastSenderJson;
}

/**
 * The line in pino's format. pino itself would take as long as serving a manifest does, and joining each field of its own a third longer
 * (docs/decisions/0005, 0100).
 */
function lineOf(entry: AccessEntry): string {
  return `{"level":30,"time":${Date.now()},"requestId":"${entry.requestId}",${senderJson(entry)},${entry.labels.jsonWith(entry)},"milliseconds":${inThousandths(entry.milliseconds)},"msg":"request"}\n`;
}
