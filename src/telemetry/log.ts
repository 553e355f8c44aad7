import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';
import type { Asked } from './asked.ts';
import { LineSink } from './line-sink.ts';

export type { Logger } from 'pino';

/** One answered request, as its log line says it. */
export interface AccessEntry {
  readonly requestId: string;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
  /** The identity that sent the request. */
  readonly actor: string;
  readonly asked: Asked;
  readonly digest: string | undefined;
  readonly status: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly milliseconds: number;
}

export interface Logs {
  readonly logger: Logger;
  /** Writes one line a request; undefined where the log level leaves those out. */
  readonly access: ((entry: AccessEntry) => void) | undefined;
  /** Everything written so far leaves the process. */
  readonly flush: () => void;
}

export function openLogs(options: { readonly level: string; readonly format: 'auto' | 'json' | 'pretty' }): Logs {
  const isPretty = options.format === 'pretty' || (options.format === 'auto' && process.stdout.isTTY === true);
  return isPretty ? prettyLogs(options.level) : jsonLogs(options.level);
}

function prettyLogs(level: string): Logs {
  const stream = pretty({
    colorize: process.stdout.isTTY === true,
    sync: true,
    ignore: 'pid,hostname',
    singleLine: true,
  });
  const logger = pino({ level }, stream);
  const access = ({ asked: { method, path, ...asked }, status, milliseconds, ...entry }: AccessEntry): void => {
    // What a client sent must not reach the terminal as it is.
    const shown = JSON.stringify(path).slice(1, -1);
    logger.info({ ...asked, ...entry }, `${method} ${shown} ${status} in ${inThousandths(milliseconds)} ms`);
  };
  return { logger, access: logger.isLevelEnabled('info') ? access : undefined, flush: () => {} };
}

function inThousandths(milliseconds: number): number {
  return Math.round(milliseconds * 1000) / 1000;
}

function jsonLogs(level: string): Logs {
  const sink = new LineSink(1);
  const logger = pino({ level, base: null }, sink);
  return {
    logger,
    access: logger.isLevelEnabled('info') ? (entry) => sink.write(lineOf(entry)) : undefined,
    flush: () => sink.flushSync(),
  };
}

let lastText = '';
let lastQuoted = '""';

/** JSON.stringify for what is mostly the same as the time before. */
function quoted(text: string): string {
  if (text !== lastText) {
    lastText = text;
    lastQuoted = JSON.stringify(text);
  }
  return lastQuoted;
}

/** Written by hand, in pino's shape: through pino one line costs as much as serving a manifest. */
function lineOf(entry: AccessEntry): string {
  // Addresses and digests were parsed: they have no character that JSON would escape.
  const client = entry.client === undefined ? '' : `,"client":"${entry.client}"`;
  const digest = entry.digest === undefined ? '' : `,"digest":"${entry.digest}"`;
  return `{"level":30,"time":${Date.now()},"requestId":"${entry.requestId}"${client},"actor":${quoted(entry.actor)},${entry.asked.json}${digest},"status":${entry.status},"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut},"milliseconds":${inThousandths(entry.milliseconds)},"msg":"request"}\n`;
}
