import { formatBytes } from '../config/size.ts';
import { type Change, parseChangeType } from '../feed/change.ts';
import { clock } from '../feed/doorbells.ts';
import { type ChangeFilter, parseSince, SINCE_FORMS, type Since } from '../feed/feed.ts';
import { LogFeed } from '../feed/log-feed.ts';
import { PROCESS_TIME } from '../feed/pace.ts';
import { unreachable } from '../oci/errors.ts';
import { Patterns, problemOfPattern } from '../rule-file/patterns.ts';
import { readIdentity } from '../storage/prepare.ts';
import { type ShowDigest, shortDigest, wholeDigest } from './describe-event.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import type { OpenStore } from './open-store.ts';
import { formatTime, type Output, printable } from './output.ts';

/** How often `--follow` looks for a new note. Each look is one request for an absent object. */
const LOOK_EVERY_MS = 500;
/** How long one wait of `--follow` is, in milliseconds. */
const WAIT_MS = 60_000;
const PAGE = 1_000;
/** The length of the longest type. */
const TYPE_WIDTH = 'manifest.deleted'.length;
/** Columns are as wide as their widest entry so far, up to this. */
const MAX_WIDTH = 40;

export interface ChangesOptions {
  readonly follow?: true;
  readonly json?: true;
  readonly full?: true;
  readonly since?: string;
  readonly repo?: string;
  readonly type?: string;
}

/** `log --all`: shows the changes of all repositories, in the order of the feed. */
export async function showChanges(
  options: ChangesOptions,
  { reader, place }: OpenStore,
  output: Output,
): Promise<ExitCode> {
  const filter = filterOf(options);
  const since = sinceOf(options);
  const identity = await readIdentity(reader);
  if (identity === undefined) throw new CommandError(EXIT.failed, `there is no store in ${place}`);
  const feed = new LogFeed({
    driver: reader,
    store: identity.store,
    doorbell: clock(LOOK_EVERY_MS),
    time: PROCESS_TIME,
    lookFailed: (error) =>
      console.error(`marina: new changes cannot be looked for, it is tried again: ${String(error)}`),
  });
  const write =
    options.json === true ? (change: Change) => output.json(change) : readableWriter(output, options.full === true);
  const interrupted = new AbortController();
  const { signal } = interrupted;
  if (options.follow === true) process.once('SIGINT', () => interrupted.abort());
  try {
    for (let cursor = await feed.start(since); !signal.aborted; ) {
      const page = await feed.page(cursor, { filter, limit: PAGE, signal });
      for (const change of page.changes) await write(change);
      ({ cursor } = page);
      if (page.more) continue;
      if (options.follow !== true) break;
      await feed.wait(cursor, { until: performance.now() + WAIT_MS, signal });
    }
  } catch (error) {
    // The user has interrupted a page.
    if (error !== signal.reason) throw error;
  }
  return EXIT.ok;
}

function sinceOf({ since = 'beginning' }: ChangesOptions): Since {
  const parsed = parseSince(since);
  if (parsed === undefined) throw new CommandError(EXIT.failed, `--since: ${SINCE_FORMS} is expected`);
  return parsed;
}

function filterOf({ repo, type }: ChangesOptions): ChangeFilter {
  const problem = repo === undefined ? undefined : problemOfPattern('repository', repo);
  if (problem !== undefined) throw new CommandError(EXIT.failed, `--repo: ${problem}`);
  const glob = repo === undefined ? undefined : new Patterns([repo]);
  const types = type?.split(',').map((text) => {
    const parsed = parseChangeType(text);
    if (parsed === undefined)
      throw new CommandError(EXIT.failed, `--type: there is no type ${JSON.stringify(text)} of changes`);
    return parsed;
  });
  return { includes: (name) => glob?.matches(name) ?? true, types: types && new Set(types) };
}

function readableWriter(output: Output, full: boolean): (change: Change) => Promise<void> {
  const show: ShowDigest = full ? wholeDigest : shortDigest;
  const widths = { id: 0, actor: 0 };
  const column = (name: keyof typeof widths, text: string): string => {
    widths[name] = Math.min(MAX_WIDTH, Math.max(widths[name], text.length));
    return text.padEnd(widths[name]);
  };
  return async (change) => {
    const columns = [
      output.styled('dim', formatTime(change.time)),
      output.styled('yellow', column('id', change.id)),
      column('actor', printable(change.actor ?? '-')),
      change.type.padEnd(TYPE_WIDTH),
      describeChange(change, show),
    ];
    await output.line(columns.join('  ').trimEnd());
  };
}

function describeChange({ type, tag, digest, previous, size, mediaType, from }: Change, show: ShowDigest): string {
  const target = digest === undefined ? '' : show(digest);
  const before = previous === undefined ? '' : ` (was ${show(previous)})`;
  const bytes = size === undefined ? '' : ` ${formatBytes(size)}`;
  switch (type) {
    case 'blob.linked':
      return `${target}${bytes}${from === undefined ? '' : ` from ${from}`}`;
    case 'manifest.put':
      return `${target}${bytes}, ${printable(mediaType ?? '')}`;
    case 'blob.unlinked':
    case 'manifest.deleted':
      return target;
    case 'tag.set':
      return `${tag} -> ${target}${before}`;
    case 'tag.deleted':
      return `${tag}${before}`;
    case 'repo.deleted':
      return 'with all its tags, manifests and blobs';
    default:
      return unreachable(type);
  }
}
