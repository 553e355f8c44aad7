import { createHash } from 'node:crypto';
import { readBoundedFile } from './bounded-file.ts';

/** What is wrong with a file that the operator wrote. The message is one line and shows no secret. */
export class FileProblem extends Error {
  override readonly name: string = 'FileProblem';
}

/** How a changed file was taken. */
export type Reload =
  | { readonly kind: 'loaded' }
  /** The old value stays in use. `error` is a FileProblem, or anything else if the parser has a defect. */
  | { readonly kind: 'refused'; readonly error: unknown };

export interface ReloadedFileOptions<Name extends string, T> {
  /** Paths of the files by the settings that name them. Several files are one value, such as a certificate and its key. */
  readonly paths: Readonly<Record<Name, string>>;
  /** @throws FileProblem */
  readonly parse: (texts: Readonly<Record<Name, string>>) => T;
  /** Called after each change of a file, when `value` is what it is from then on. */
  readonly onReload: (reload: Reload) => void;
  /** How often the files are read, in milliseconds. */
  readonly everyMs?: number;
  /** How long their contents must stay the same before they are used, in milliseconds. */
  readonly settleMs?: number;
}

const MAX_BYTES = 4 * 1024 * 1024;
const EVERY_MS = 1_000;
const SETTLE_MS = 200;
/** A file that never stops changing is used as it is after this time. */
const MAX_UNSETTLED_MS = 5_000;

type Contents<Name extends string> = Readonly<Record<Name, Buffer>>;
type Seen<Name extends string> = Contents<Name> | FileProblem;

/**
 * A value that is parsed from files, and parsed again when they change. If the new contents cannot be used, the old value stays.
 *
 * The files are read every second instead of being watched: network file systems send no notifications, and a Kubernetes volume
 * changes by a symbolic link in a parent folder. The bytes are compared, not the times, because two changes within one tick of the
 * file system's clock have the same time. New contents are used when two reads agree, so that a half-written file is not.
 */
export class ReloadedFile<Name extends string, T> {
  readonly #options: ReloadedFileOptions<Name, T>;
  #value: T;
  /** What `value` was made from. */
  #used: Contents<Name>;
  /** What the last read saw. */
  #seen: Seen<Name>;
  /** When contents were first seen that are not judged yet, by the monotonic clock in milliseconds. */
  #unsettledSince: number | undefined;
  #isCurrent = true;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  private constructor(options: ReloadedFileOptions<Name, T>, value: T, contents: Contents<Name>) {
    this.#options = options;
    this.#value = value;
    this.#used = contents;
    this.#seen = contents;
    this.#lookIn(options.everyMs ?? EVERY_MS);
  }

  /** Reads the files for the first time. @throws FileProblem that names the setting, the path and the reason */
  static async open<Name extends string, T>(options: ReloadedFileOptions<Name, T>): Promise<ReloadedFile<Name, T>> {
    const contents = await readAll(options.paths);
    if (contents instanceof FileProblem) throw contents;
    return new ReloadedFile(options, parseAll(options, contents), contents);
  }

  get value(): T {
    return this.#value;
  }

  /** Whether `value` is what the files say. */
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

  #lookIn(milliseconds: number): void {
    this.#timer = setTimeout(() => void this.#look(), milliseconds);
    // The process need not stay alive for it.
    this.#timer.unref();
  }

  async #look(): Promise<void> {
    const { paths, everyMs = EVERY_MS, settleMs = SETTLE_MS } = this.#options;
    const seen = await readAll(paths);
    if (this.#isClosed) return;
    const isSettled = isSame(seen, this.#seen);
    this.#seen = seen;
    if (isSettled && this.#unsettledSince === undefined) return this.#lookIn(everyMs);
    const now = performance.now();
    this.#unsettledSince ??= now;
    if (!isSettled && now - this.#unsettledSince < MAX_UNSETTLED_MS) return this.#lookIn(settleMs);
    this.#unsettledSince = undefined;
    this.#use(seen);
    this.#lookIn(everyMs);
  }

  #use(seen: Seen<Name>): void {
    const { onReload } = this.#options;
    try {
      if (seen instanceof FileProblem) throw seen;
      this.#value = parseAll(this.#options, seen);
      this.#used = seen;
      this.#isCurrent = true;
    } catch (error) {
      this.#isCurrent = false;
      onReload({ kind: 'refused', error });
      return;
    }
    onReload({ kind: 'loaded' });
  }
}

/** Adds to what is wrong where it is wrong. */
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

async function readAll<Name extends string>(paths: Readonly<Record<Name, string>>): Promise<Seen<Name>> {
  const contents: Partial<Record<Name, Buffer>> = {};
  for (const name of keysOf(paths)) {
    const bytes = await readBoundedFile(paths[name], MAX_BYTES);
    if (typeof bytes === 'string') return new FileProblem(`${name}=${paths[name]} cannot be used: ${bytes}`);
    contents[name] = bytes;
  }
  return contents as Contents<Name>;
}

function isSame<Name extends string>(one: Seen<Name>, other: Seen<Name>): boolean {
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
