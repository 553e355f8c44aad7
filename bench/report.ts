// Prints the table and the text under it, and writes the file with the raw numbers.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import { type Spread, spread } from './stats.ts';
import { missed, type Row, type Settings } from './work.ts';

export interface Failure {
  work: string;
  error: string;
}

/** A client that uses more than this share of a core could not drive a server that is 1.3 times as fast. */
const MAX_CLIENT_BUSY = 1 / 1.3;

const HEAD = ['work', 'unit', 'Marina', 'distribution', 'ratio (min-max)', 'bar', 'of the limit (min-max)', 'bar', ''];

export function table(rows: readonly Row[]): string {
  const lines = [HEAD, ...rows.map(cells)];
  const widths = HEAD.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map((line) =>
    line
      // Text is left-aligned, numbers are right-aligned.
      .map((cell, column) => (column < 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return [text[0], '-'.repeat(widths.reduce((sum, width) => sum + width + 2, -2)), ...text.slice(1)].join('\n');
}

function cells(row: Row): string[] {
  const { marina, distribution } = row.values;
  return [
    row.title,
    row.unit,
    figure(marina),
    figure(distribution),
    ratio(row.ratio),
    row.most !== undefined ? `<= ${row.most}` : bar(row.bar),
    row.limitRatio === undefined ? '' : `${ratio(row.limitRatio)} ${row.limitName}`,
    bar(row.limitBar),
    verdict(row),
  ];
}

function verdict(row: Row): string {
  if (row.bar === undefined && row.limitBar === undefined && row.most === undefined) {
    return 'no bar';
  }
  return missed(row).length === 0 ? 'ok' : 'BEHIND';
}

function figure(value: number | undefined): string {
  if (value === undefined) {
    return '';
  }
  return value >= 100 ? Math.round(value).toLocaleString('en-US') : value.toPrecision(3);
}

function ratio(value: Spread | undefined): string {
  return value === undefined ? '' : `${short(value.median)}x (${short(value.min)}-${short(value.max)})`;
}

function short(value: number): string {
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
}

function bar(value: number | undefined): string {
  return value === undefined ? '' : `>= ${value}x`;
}

/** Lists where Marina is slower, and what could not be measured. */
export function conclusion(rows: readonly Row[], failures: readonly Failure[], notes: readonly string[]): string {
  const lines: string[] = [];
  for (const row of rows) {
    for (const fault of missed(row)) {
      lines.push(`BEHIND  ${row.title}: ${fault}`);
    }
    if (row.ratio !== undefined && row.ratio.median < 1) {
      lines.push(`SLOWER than distribution: ${row.title} (${short(row.ratio.median)}x)`);
    }
  }
  if (lines.length === 0 && rows.length > 0) {
    lines.push('Marina reached every bar that was measured.');
  }
  for (const row of rows) {
    const busy = (row.raw.marina ?? []).map((run) => run.load?.busy ?? 0);
    if (row.bar !== undefined && row.unit === 'requests/s' && spread(busy).median > MAX_CLIENT_BUSY) {
      lines.push(
        `NOTE    ${row.title}: the client used ${short(spread(busy).median)} of a core; the number may be its own limit`,
      );
    }
  }
  lines.push(...notes.map((note) => `NOTE    ${note}`));
  for (const { work, error } of failures) {
    lines.push(`FAILED  ${work}: ${error}`);
  }
  return lines.join('\n');
}

export interface Outcome {
  rows: readonly Row[];
  failures: readonly Failure[];
  notes: readonly string[];
  settings: Settings;
}

export function save(path: string, outcome: Outcome): void {
  mkdirSync(dirname(path), { recursive: true });
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem(), platform: process.platform };
  const peers = { bun: Bun.version, distribution: 'v3.1.2' };
  const document = { at: new Date().toISOString(), machine, peers, ...outcome };
  writeFileSync(path, `${JSON.stringify(document, null, 2)}\n`);
}
