import { parseDigest } from '../oci/digest.ts';
import { unreachable } from '../oci/errors.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { Restoration, Restored } from '../registry/restoration.ts';
import { CommandError, EXIT, type ExitCode } from './failure.ts';
import { unknownRepository } from './log.ts';
import { type OpenStore, requireTag } from './open-store.ts';
import { count, formatTime, type Output } from './output.ts';
import type { Moment, Thing, When } from './undo/past.ts';
import { type NoPlan, type Plan, planRestore } from './undo/plan.ts';

export interface RestoreOptions {
  readonly at?: When;
  readonly json?: true;
}

/** Writes to the store: through the running server, or in this process. */
export type Restore = (repo: RepositoryName, wanted: Restoration) => Promise<Restored>;

/**
 * `restore <repo> <tag|digest>` and `tag <repo> <tag> --to <seq>`: restores a tag or manifest while its bytes exist.
 * @throws CommandError if it did not exist then; RegistryError if it cannot be restored
 */
export async function restoreThing(
  repo: RepositoryName,
  thing: Thing,
  options: RestoreOptions,
  store: OpenStore & { readonly restore: Restore },
  output: Output,
): Promise<ExitCode> {
  const plan = await planRestore(store.reader, repo, thing, options.at);
  if (plan.kind !== 'plan') throw noPlan(plan, repo, thing, options.at, store);
  const restored = await store.restore(repo, plan.restoration);
  if (options.json === true) {
    const { seq, time, side, digest } = plan.moment;
    await output.json({ repo, digest, seq, time, side, ...restored, leftOut: plan.leftOut, kept: plan.kept });
  } else for (const line of readable(repo, thing, plan, restored, output)) await output.line(line);
  return EXIT.ok;
}

/** @throws CommandError */
export function thingOf(text: string): Thing {
  if (!text.includes(':')) return { kind: 'tag', tag: requireTag(text) };
  const digest = parseDigest(text);
  if (digest === undefined) throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is not a valid digest`);
  return { kind: 'digest', digest };
}

const TIME = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,3})?(Z|[+-]\d\d:\d\d)?)?$/;

/**
 * A slot number, or a time in ISO 8601, in UTC unless it has a zone. A time to the second means the end of that second, because times
 * are shown that way.
 * @returns undefined for anything else
 */
export function parseWhen(text: string): When | undefined {
  if (/^[1-9]\d{0,14}$/.test(text)) return { kind: 'slot', seq: Number(text) };
  const [, day, minute = '00:00', second, fraction, zone = 'Z'] = TIME.exec(text) ?? [];
  if (day === undefined) return undefined;
  const end = second === undefined ? ':00.000' : `${second}${fraction ?? '.999'}`;
  const until = Date.parse(`${day}T${minute}${end}${zone}`);
  return Number.isNaN(until) ? undefined : { kind: 'time', until };
}

function noPlan(why: NoPlan, repo: RepositoryName, thing: Thing, at: When | undefined, store: OpenStore): CommandError {
  switch (why.kind) {
    case 'no-repository':
      return unknownRepository(repo, store);
    case 'no-slot':
      return new CommandError(EXIT.negative, `the log of ${repo} ends at slot ${why.last}`);
    case 'not-there': {
      const what = nameOf(thing);
      if (at === undefined) return new CommandError(EXIT.negative, `${repo} never had a ${what}`);
      const then = at.kind === 'slot' ? `at slot ${at.seq}` : `at ${formatTime(new Date(at.until).toISOString())}`;
      return new CommandError(EXIT.negative, `${repo} had no ${what} ${then}: see its log or history`);
    }
    default:
      return unreachable(why);
  }
}

function nameOf(thing: Thing): string {
  return thing.kind === 'tag' ? `tag ${thing.tag}` : `manifest ${thing.digest}`;
}

function* readable(
  repo: RepositoryName,
  thing: Thing,
  { moment, leftOut, kept }: Plan,
  { blobs, manifests, tags }: Restored,
  output: Output,
): Iterable<string> {
  const linked = [
    ...(manifests.length === 0 ? [] : [count(manifests.length, 'manifest')]),
    ...(blobs.length === 0 ? [] : [count(blobs.length, 'blob')]),
  ].join(' and ');
  if (linked === '' && tags.length === 0) {
    const value = thing.kind === 'tag' ? `, it points to ${moment.digest}` : '';
    yield `nothing to do: ${repo} already has the ${nameOf(thing)}${value}`;
  }
  for (const { tag, digest, was } of tags) {
    const before = was === undefined ? '' : output.styled('dim', ` (was ${was})`);
    yield `${tag} -> ${digest}${before}, as it was ${momentText(moment)}`;
  }
  if (linked !== '') yield `linked again: ${linked}`;
  for (const tag of kept) yield `unchanged: the tag ${tag} now points to another manifest`;
  for (const digest of leftOut) yield `left out: ${digest} had been deleted before, and its bytes were freed`;
}

function momentText({ side, seq, time }: Moment): string {
  return side === 'before'
    ? `before slot ${seq} deleted it (${formatTime(time)})`
    : `at slot ${seq} (${formatTime(time)})`;
}
