import { type FileHandle, open, rename, stat, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ulid } from 'ulid';
import { type ExportPlan, planExport, type Wanted } from '../archive/export-plan.ts';
import { writeArchive } from '../archive/write-archive.ts';
import { formatBytes } from '../config/size.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { foldLog, READ_AHEAD } from '../journal/log.ts';
import { requireDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Reference } from '../registry/interface.ts';
import { codeOf } from '../system/error-code.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { type OpenStore, requireRepository, requireTag } from './open-store.ts';
import { count, type Output } from './output.ts';
import { openBar } from './progress-bar.ts';

export interface ExportOptions {
  readonly output: string;
  readonly json?: true;
}

const FORMAT = '{bar} {percentage}% | {done} of {all} | ETA {eta_formatted}';
/** The most absent content that is listed. */
const MAX_LISTED = 20;

/** `export <repo[:tag|@digest]>… -o <file>`: writes images, with their referrers, as an OCI image layout in a tar file. */
export async function exportImages(
  names: readonly string[],
  options: ExportOptions,
  { reader }: OpenStore,
  output: Output,
): Promise<ExitCode> {
  const wanted = names.map(wantedOf);
  const states = new Map<RepositoryName, RepositoryState>();
  for (const { repo } of wanted) {
    if (!states.has(repo)) states.set(repo, (await foldLog(reader, repo, READ_AHEAD)).state);
  }
  const plan = planExport(wanted, states);
  const file = resolve(options.output);
  const bytes = plan.objects.reduce((sum, { size }) => sum + size, 0);
  const bar = openBar(process.stderr, FORMAT);
  let done = 0;
  const payload = (): Record<string, string> => ({ done: formatBytes(done), all: formatBytes(bytes) });
  bar?.start(bytes, 0, payload());
  try {
    await writeFileWhole(file, (write, signal) =>
      writeArchive(plan, {
        reader,
        write,
        signal,
        onBytes: (more) => {
          done += more;
          bar?.update(done, payload());
        },
      }),
    );
  } finally {
    bar?.stop();
  }
  const objects = plan.objects.length;
  if (options.json === true) {
    const absent = { absent: plan.absent.slice(0, MAX_LISTED), absentCount: plan.absent.length };
    await output.json({ file, ...countsOf(plan), objects, bytes, ...absent });
    return EXIT.ok;
  }
  const { repositories, tags, manifests } = countsOf(plan);
  await output.line(
    `${options.output}: ${count(tags, 'tag')} and ${count(manifests, 'manifest')} without a tag, of ${count(repositories, 'repository', 'repositories')}; ${count(objects, 'object')} of ${formatBytes(bytes)}`,
  );
  if (plan.absent.length > 0) await output.line('left out, because the registry does not have it:');
  for (const each of plan.absent.slice(0, MAX_LISTED)) await output.line(`  ${each}`);
  if (plan.absent.length > MAX_LISTED) await output.line(`  … and ${plan.absent.length - MAX_LISTED} more`);
  return EXIT.ok;
}

function countsOf({ manifests }: ExportPlan): { repositories: number; tags: number; manifests: number } {
  const tagged = manifests.filter(({ tag }) => tag !== undefined).length;
  const repositories = new Set(manifests.map(({ repository }) => repository)).size;
  return { repositories, tags: tagged, manifests: manifests.length - tagged };
}

/** @throws CommandError; RegistryError `digest-invalid` */
export function wantedOf(name: string): Wanted {
  const at = name.indexOf('@');
  if (at >= 0) return { repo: requireRepository(name.slice(0, at)), reference: digestReference(name.slice(at + 1)) };
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  if (colon < 0) return { repo: requireRepository(name), reference: undefined };
  const tag = requireTag(name.slice(colon + 1));
  return { repo: requireRepository(name.slice(0, colon)), reference: { kind: 'tag', tag } };
}

function digestReference(text: string): Reference {
  return { kind: 'digest', digest: requireDigest(text) };
}

type Write = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a file that has its name only once it is whole and durable. If that fails or is interrupted, nothing remains, and an existing
 * file stays as it was.
 */
async function writeFileWhole(path: string, work: (write: Write, signal: AbortSignal) => Promise<void>): Promise<void> {
  if (await isOther(path)) throw new CommandError(EXIT.failed, `${path} exists and is no file`);
  const part = `${path}.${ulid()}.part`;
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort(new CommandError(EXIT.failed, 'interrupted: nothing was written'));
  // Others may not read private images only because they were exported.
  const file = await open(part, 'wx', 0o600);
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    try {
      await work((bytes) => writeAll(file, bytes), interrupted.signal);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
    await syncFolder(dirname(path));
  } catch (error) {
    await unlink(part).catch((reason: unknown) => {
      if (codeOf(reason) !== 'ENOENT') throw reason;
    });
    throw error;
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
  }
}

async function isOther(path: string): Promise<boolean> {
  try {
    return !(await stat(path)).isFile();
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false;
    throw error;
  }
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let written = 0; written < bytes.length; ) {
    written += (await file.write(bytes, written, bytes.length - written)).bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
