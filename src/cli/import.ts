import { resolve } from 'node:path';
import { formatBytes } from '../config/size.ts';
import type { ImportProgress, ImportReport, ImportRequest, Problem } from '../importing/report.ts';
import type { Listeners } from '../importing/tally.ts';
import { RegistryError } from '../oci/errors.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { requireRepository } from './open-store.ts';
import { count, type Output, printable } from './output.ts';
import { openBar, shortened } from './progress-bar.ts';

export interface ImportOptions {
  readonly dryRun?: true;
  readonly trust?: true;
  readonly moveTags?: true;
  readonly json?: true;
}

/** Runs the import, or a dry run. */
export type RunImport = (request: ImportRequest, listeners: Listeners) => Promise<ImportReport>;

export interface LoadOptions {
  readonly dryRun?: true;
  readonly moveTags?: true;
  readonly json?: true;
}

const FORMAT = '{bar} {percentage}% | {value} of {total} entries, {read} read | ETA {eta_formatted} | {repository}';

/** `import`: imports a registry of distribution from a folder or a bucket. */
export function importRegistry(
  source: string,
  options: ImportOptions,
  run: RunImport,
  output: Output,
): Promise<ExitCode> {
  const request: ImportRequest = {
    source: source.startsWith('s3://') ? source : resolve(source),
    format: 'distribution',
    trust: options.trust === true,
    moveTags: options.moveTags === true,
    counted: process.stderr.isTTY === true,
  };
  return runRequest(request, options, run, output);
}

/** `load`: imports the images of an archive. @param into undefined: the repositories that the archive names */
export function loadArchive(
  file: string,
  into: string | undefined,
  options: LoadOptions,
  run: RunImport,
  output: Output,
): Promise<ExitCode> {
  const request: ImportRequest = {
    source: resolve(file),
    format: 'archive',
    repository: into === undefined ? undefined : requireRepository(into),
    trust: false,
    moveTags: options.moveTags === true,
    counted: process.stderr.isTTY === true,
  };
  return runRequest(request, options, run, output);
}

async function runRequest(
  request: ImportRequest,
  options: LoadOptions,
  run: RunImport,
  output: Output,
): Promise<ExitCode> {
  const bar = new ImportBar(request.counted ? process.stderr : undefined);
  // Lines are written in order while the import runs.
  let written: Promise<unknown> = Promise.resolve();
  const say = (line: () => Promise<void>): void => {
    written = written.then(() => bar.aside(line));
  };
  try {
    const report = await run(request, {
      onProgress: (progress) => bar.show(progress),
      onProblem: (problem) =>
        say(() =>
          options.json === true
            ? output.json({ type: 'problem', ...problem })
            : output.line(readableProblem(problem, output)),
        ),
    });
    await written;
    bar.stop();
    const dryRun = options.dryRun === true;
    if (options.json === true) await output.json({ type: 'summary', ...(dryRun ? { dryRun } : {}), ...report });
    else await output.line(readableReport(report, dryRun, output));
    return report.problems === 0 ? EXIT.ok : EXIT.negative;
  } catch (error) {
    // Unlike other refusals, this means that the import could not start.
    if (error instanceof RegistryError && error.kind === 'request-invalid') {
      throw new CommandError(EXIT.failed, error.message);
    }
    throw error;
  } finally {
    bar.stop();
    await Promise.allSettled([written]);
  }
}

function readableProblem({ problem, repo, digest, tag, message }: Problem, output: Output): string {
  const what = [repo, tag === undefined ? digest : `${tag}${digest === undefined ? '' : ` -> ${digest}`}`];
  const name = what.filter((each) => each !== undefined).join(' ');
  return `${output.styled('yellow', problem.padEnd(19))} ${printable(name)}: ${printable(message)}`;
}

function readableReport(report: ImportReport, dryRun: boolean, output: Output): string {
  const { repositories, tags, manifests, blobs, problems, seconds } = report;
  const { linked, copied, sent, shared, present } = blobs;
  const of = ({ count: number, bytes }: ImportReport['blobs']['linked']): string =>
    `${count(number, 'blob')} of ${formatBytes(bytes)}`;
  const ways = [
    { amount: linked, text: 'linked without a copy' },
    { amount: copied, text: 'copied by the storage' },
    { amount: sent, text: 'read and written' },
  ];
  const taken = [
    ...(dryRun ? [{ amount: sum(linked, copied, sent), text: 'would be imported' }] : ways),
    { amount: shared, text: 'shared between repositories' },
  ];
  const parts = [
    `${count(repositories, 'repository', 'repositories')}: ${count(tags.set, 'tag')}, ${count(manifests.put, 'manifest')}`,
    ...taken.filter(({ amount }) => amount.count > 0).map(({ amount, text }) => `${of(amount)} ${text}`),
  ];
  if (present.count + manifests.present + tags.present > 0) {
    parts.push(
      `already present: ${count(tags.present, 'tag')}, ${count(manifests.present, 'manifest')}, ${count(present.count, 'blob')}`,
    );
  }
  parts.push(problems === 0 ? 'nothing left out' : output.styled('yellow', `${count(problems, 'thing')} left out`));
  return `${parts.join('; ')} (${seconds.toFixed(1)} s)`;
}

function sum(...amounts: readonly ImportReport['blobs']['linked'][]): ImportReport['blobs']['linked'] {
  return {
    count: amounts.reduce((total, each) => total + each.count, 0),
    bytes: amounts.reduce((total, each) => total + each.bytes, 0),
  };
}

/** The progress of an import as one line, redrawn in place; draws nothing without a terminal. */
class ImportBar {
  readonly #bar: ReturnType<typeof openBar>;
  #now: ImportProgress = { done: 0, total: 0, repository: '', read: 0 };

  /** @param terminal where to draw; undefined: nowhere */
  constructor(terminal: NodeJS.WriteStream | undefined) {
    this.#bar = openBar(terminal, FORMAT);
  }

  show(progress: ImportProgress): void {
    this.#now = progress;
    if (this.#bar === undefined) return;
    if (!this.#bar.isActive) this.#bar.start(progress.total, progress.done, this.#payload());
    this.#bar.setTotal(progress.total);
    this.#bar.update(progress.done, this.#payload());
  }

  /** Removes the line while something else is written to the same terminal. */
  async aside(write: () => Promise<void>): Promise<void> {
    this.stop();
    await write();
  }

  stop(): void {
    if (this.#bar?.isActive !== true) return;
    // A completed bar clears its line.
    this.#bar.update(this.#bar.getTotal(), this.#payload());
    this.#bar.stop();
  }

  #payload(): Readonly<Record<string, string>> {
    const { repository, read } = this.#now;
    return { read: formatBytes(read), repository: shortened(repository) };
  }
}
