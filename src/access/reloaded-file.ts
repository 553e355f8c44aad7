import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { NO_FILE, readBoundedFile } from './bounded-file.ts';

/** Why a configuration file cannot be used. The message is one line and shows no secret. */
export class FileProblem extends Error {
  override readonly name: string = 'FileProblem';
}

/** The result of reading a changed file. */
export type Reload =
  | { readonly kind: 'loaded' }
  /** The old value stays in use. `error` is a FileProblem, or anything else if the parser has a defect. */
  | { readonly kind: 'refused'; readonly error: unknown };

export interface ReloadedFileOptions<Name extends string, T> {
  /** Paths of the files, by the settings that name them. Several files can make up one value, such as a certificate and its key. */
  readonly paths: Readonly<Record<Name, string>>;
  /** How to create the files, for the message if one does not exist: "create …". */
  readonly creation?: string;
  /** @throws FileProblem */
  readonly parse: (texts: Readonly<Record<Name, string>>) => T;
  /** Called after each change of a file, once `value` has been updated. */
  readonly onReload: (reload: Reload) => void;
  /** How often the files are read, in milliseconds. */
  readonly everyMs?: number;
  /** How long their contents must stay the same before they are used, in milliseconds. */
  readonly settleMs?: number;
}

const MAX_BYTES = 4 * 1024 * 1024;
const EVERY_MS = 1_000;
const SETTLE_MS = 200;
/** After this time a file that keeps changing is used as it is. */
const MAX_UNSETTLED_MS = 5_000;

type Contents<Name extends string> = Readonly<Record<Name, Buffer>>;
type ReadResult<Name extends string> = Contents<Name> | FileProblem;

/**
 * A value that is parsed from files, and parsed again when they change. If the new contents cannot be used, the old value stays in use.
 *
 * The files are read every second instead of being watched: network file systems send no notifications, and a Kubernetes volume
 * changes by a symbolic link in a parent folder. The bytes are compared, not the times, because two changes within one tick of the
 * file system's clock have the same time. New contents are used only when two consecutive reads agree, so that a half-written file is never used.
 */
export class ReloadedFile<Name extends string, T> {
  readonly #options: ReloadedFileOptions<Name, T>;
  #value: T;
  /** The contents that `value` was parsed from. */
  #used: Contents<Name>;
  /** The result of the last read. */
  #lastRead: ReadResult<Name>;
  /** When the contents began to change, in milliseconds of the monotonic clock; undefined if they are settled. */
  #unsettledSince: number | undefined;
  #isCurrent = true;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: ReloadedFileOptions<Name, T>, value: T, contents: Contents<Name>) {
    this.#options = options;
    this.#value = value;
    this.#used = contents;
    this.#lastRead = contents;
    this.#pollAfter(options.everyMs ?? EVERY_MS);
  }

  /** Reads the files for the first time. @throws FileProblem that names the setting, the path and the reason */
  static async open<Name extends string, T>(options: ReloadedFileOptions<Name, T>): Promise<ReloadedFile<Name, T>> {
    const contents = await readAll(options);
    if (contents instanceof FileProblem) throw contents;
    return new ReloadedFile(options, parseAll(options, contents), contents);
  }

  get value(): T {
    return this.#value;
  }

  /** Whether `value` matches the files. */
  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  /** SHA-256 of each file that `value` was made from, in hex. */
  get hashes(): Readonly<Record<Name, string>> {
    return mapValues(this.#used, (bytes) => createHash('sha256').update(bytes).digest('hex'));
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #pollAfter(milliseconds: number): void {
    this.#timer = setTimeout(() => void this.#poll(), milliseconds);
    // The timer need not keep the process alive.
    this.#timer.unref();
  }

  async #poll(): Promise<void> {
    const { everyMs = EVERY_MS, settleMs = SETTLE_MS } = this.#options;
    const read = await readAll(this.#options);
    if (this.#isClosed) return;
    const isSettled = isSame(read, this.#lastRead);
    this.#lastRead = read;
    if (isSettled && this.#unsettledSince === undefined) return this.#pollAfter(everyMs);
    const now = performance.now();
    this.#unsettledSince ??= now;
    if (!isSettled && now - this.#unsettledSince < MAX_UNSETTLED_MS) return this.#pollAfter(settleMs);
    this.#unsettledSince = undefined;
    this.#use(read);
    this.#pollAfter(everyMs);
  }

  #use(read: ReadResult<Name>): void {
    const { onReload } = this.#options;
    try {
      if (read instanceof FileProblem) throw read;
      this.#value = parseAll(this.#options, read);
      this.#used = read;
      this.#isCurrent = true;
    } catch (error) {
      this.#isCurrent = false;
      onReload({ kind: 'refused', error });
      return;
    }
    onReload({ kind: 'loaded' });
  }
}

/** Parses the contents, and adds the settings and paths to the message of a FileProblem. */
function parseAll<Name extends string, T>(
  { paths, parse }: Pick<ReloadedFileOptions<Name, T>, 'paths' | 'parse'>,
  contents: Contents<Name>,
): T {
  const texts = mapValues(contents, (bytes, name) => textOf(bytes, name, paths[name]));
  try {
    return parse(texts);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    const named = Object.entries<string>(paths).map(([name, path]) => `${name}=${path}`);
    throw new FileProblem(`${named.join(', ')} cannot be used: ${error.message}`);
  }
}

function textOf(bytes: Buffer, name: string, path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new FileProblem(`${name}=${path} cannot be used: it is not UTF-8 text`);
  }
}

async function readAll<Name extends string>({
  paths,
  creation,
}: Pick<ReloadedFileOptions<Name, unknown>, 'paths' | 'creation'>): Promise<ReadResult<Name>> {
  const contents: Partial<Record<Name, Buffer>> = {};
  for (const name of keysOf(paths)) {
    const bytes = await readBoundedFile(paths[name], MAX_BYTES);
    if (typeof bytes === 'string') {
      const hint = bytes === NO_FILE && creation !== undefined ? `: ${creation}` : '';
      // A value that names no file may be the secret itself, set by mistake.
      const shown = existsSync(paths[name]) ? `${name}=${paths[name]}` : name;
      return new FileProblem(`${shown} cannot be used: ${bytes}${hint}`);
    }
    contents[name] = bytes;
  }
  return contents as Contents<Name>;
}

function isSame<Name extends string>(one: ReadResult<Name>, other: ReadResult<Name>): boolean {
  if (one instanceof FileProblem || other instanceof FileProblem) {
    return one instanceof FileProblem && other instanceof FileProblem && one.message === other.message;
  }
  return keysOf(one).every((name) => one[name].equals(other[name]));
}

function keysOf<Name extends string>(record: Readonly<Record<Name, unknown>>): readonly Name[] {
  return Object.keys(record) as Name[];
}

function mapValues<Name extends string, From, To>(
  record: Readonly<Record<Name, From>>,
  change: (value: From, name: Name) => To,
): Readonly<Record<Name, To>> {
  return Object.fromEntries(keysOf(record).map((name) => [name, change(record[name], name)])) as Record<Name, To>;
}
