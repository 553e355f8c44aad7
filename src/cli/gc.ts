import type { CollectionProgress } from '../collection/collect.ts';
import { type Examined, findGarbage, type Garbage } from '../collection/garbage.ts';
import type { ScanPorts } from '../collection/ports.ts';
import type { CollectionReport } from '../collection/report.ts';
import { scanLogs } from '../collection/scan.ts';
import { type Unreferenced, unreferencedBlobs } from '../collection/unreferenced.ts';
import { formatBytes } from '../config/size.ts';
import type { RepositoryName } from '../oci/names.ts';
import { createdAtOf } from '../registry/session-ids.ts';
import type { ExpiredUpload } from '../registry/sessions.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { count, formatTime, type Output } from './output.ts';

export interface GcOptions {
  readonly dryRun?: true;
  readonly wait?: true;
  readonly json?: true;
}

/** Collects garbage: in the running server, a cluster's workers, or this process. */
export interface Collector {
  /** Whether it runs in this process, which then has to wait for it. */
  readonly runsHere: boolean;
  readonly collect: (
    onProgress: (progress: CollectionProgress) => void,
  ) => Promise<{ readonly report: () => Promise<CollectionReport> }>;
}

/** `gc`: frees objects that no log links any more. */
export async function collectGarbage(options: GcOptions, collector: Collector, output: Output): Promise<ExitCode> {
  const progress = new ProgressLine(process.stderr);
  try {
    const { report } = await collector.collect((now) => progress.show(now));
    if (options.wait !== true && !collector.runsHere) {
      if (options.json === true) await output.json({ type: 'requested' });
      else await output.line('collection requested; --wait follows it, and /metrics shows its result');
      return EXIT.ok;
    }
    const done = await report();
    progress.clear();
    if (options.json === true) await output.json({ type: 'summary', ...done });
    else await output.line(readableReport(done, output));
    return done.failed === undefined && done.failures === 0 ? EXIT.ok : EXIT.negative;
  } finally {
    progress.clear();
  }
}

/** `gc --dry-run`: lists what would be deleted now, and why. Writes nothing. */
export async function showGarbage(
  options: GcOptions,
  ports: Omit<ScanPorts, 'resident' | 'yieldToRequests'>,
  expired: AsyncIterable<ExpiredUpload>,
  output: Output,
): Promise<ExitCode> {
  const examined: Examined = { objects: 0, bytes: 0 };
  const total = { objects: 0, bytes: 0, unlinked: 0 };
  const before = ports.now() - ports.grace;
  const scanPorts: ScanPorts = { ...ports, resident: () => undefined, yieldToRequests: async () => {} };
  const scan = await scanLogs(scanPorts, new AbortController().signal, async (repo, state) => {
    for (const blob of unreferencedBlobs(state, before)) {
      total.unlinked++;
      await (options.json === true
        ? output.json({ type: 'blob', action: 'unlink', repo, ...blob, since: iso(blob.since), reason: 'unreferenced' })
        : output.line(readableBlob(repo, blob, output)));
    }
  });
  try {
    for await (const garbage of findGarbage(scanPorts, scan, examined)) {
      total.objects++;
      total.bytes += garbage.size;
      await (options.json === true
        ? output.json({ type: 'object', action: 'delete', ...garbage, since: iso(garbage.since) })
        : output.line(readableObject(garbage, output)));
    }
  } finally {
    await scan.live.close();
  }
  const uploads = { sessions: 0, bytes: 0 };
  for await (const { id, size } of expired) {
    uploads.sessions++;
    uploads.bytes += size;
    const begun = iso(createdAtOf(id));
    await (options.json === true
      ? output.json({ type: 'upload', action: 'end', id, size, begun, reason: 'expired' })
      : output.line(
          `end     upload ${id}  ${formatBytes(size)}  ${output.styled('dim', `begun ${formatTime(begun)}`)}`,
        ));
  }
  if (options.json === true) await output.json({ type: 'summary', dryRun: true, examined, ...total, uploads });
  else {
    await output.line(
      `${count(total.objects, 'object')} of ${formatBytes(total.bytes)} would be deleted, ` +
        `${count(total.unlinked, 'blob')} unlinked and ${readableUploads(uploads)} ended, ` +
        `of ${count(examined.objects, 'object')} of ${formatBytes(examined.bytes)}`,
    );
  }
  return EXIT.ok;
}

/** `rm <repo>`. @throws CommandError if there is no such repository */
export async function removeRepository(
  repo: RepositoryName,
  remove: () => Promise<boolean>,
  output: Output,
): Promise<ExitCode> {
  if (!(await remove())) throw new CommandError(EXIT.negative, `there is no repository ${repo}`);
  await output.line(`${repo} was deleted; its bytes are freed once nothing has linked them for GC_GRACE`);
  return EXIT.ok;
}

function readableBlob(repo: RepositoryName, { digest, size, since }: Unreferenced, output: Output): string {
  const why = output.styled('dim', `unreferenced since ${formatTime(iso(since))}`);
  return `unlink  ${repo} ${digest}  ${formatBytes(size)}  ${why}`;
}

function readableObject({ inc, size, reason, since }: Garbage, output: Output): string {
  const why = reason === 'unlinked' ? 'last unlinked' : 'never linked, created';
  return `delete  ${inc}  ${formatBytes(size)}  ${output.styled('dim', `${why} ${formatTime(iso(since))}`)}`;
}

function readableReport(report: CollectionReport, output: Output): string {
  const { freed, examined, kept, waiting, unlinked, uploads, spared, failures, failed, startedAt, finishedAt } = report;
  const parts = [
    `${count(freed.objects, 'object')} of ${formatBytes(freed.bytes)} freed`,
    `${count(kept.objects, 'object')} of ${formatBytes(kept.bytes)} kept, ${examined.objects} examined`,
    `${count(unlinked, 'unreferenced blob')} unlinked`,
  ];
  if (uploads !== undefined && uploads.sessions > 0) parts.push(`${readableUploads(uploads)} ended`);
  if (spared > 0) parts.push(`${count(spared, 'object')} spared: linked again meanwhile`);
  if (waiting.objects > 0) parts.push(`${count(waiting.objects, 'object')} of ${formatBytes(waiting.bytes)} waiting`);
  if (failures > 0) parts.push(output.styled('red', count(failures, 'failure')));
  if (failed !== undefined) parts.push(output.styled('red', `ended early: ${failed}`));
  return `${parts.join('; ')} (${((finishedAt - startedAt) / 1000).toFixed(1)} s)`;
}

function readableUploads({ sessions, bytes }: { readonly sessions: number; readonly bytes: number }): string {
  return `${count(sessions, 'expired upload')} of ${formatBytes(bytes)}`;
}

function iso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

/** The progress of a collection, redrawn in place on a terminal. */
class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  #isDrawn = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  show({ phase, examined, freed }: CollectionProgress): void {
    if (this.#stream.isTTY !== true) return;
    this.#stream.write(`\r\u001b[K${PHASES[phase]}: ${examined} objects examined, ${freed} freed`);
    this.#isDrawn = true;
  }

  clear(): void {
    if (this.#isDrawn) this.#stream.write('\r\u001b[K');
    this.#isDrawn = false;
  }
}

const PHASES: Readonly<Record<CollectionProgress['phase'], string>> = {
  uploads: 'ending expired uploads',
  epochs: 'finishing earlier collections',
  logs: 'reading the logs',
  objects: 'scanning objects',
  deleting: 'deleting',
};
