import { PageCache } from './page-cache.ts';
import type { Call } from './strace.ts';

/** A request and its response. */
interface Answered {
  readonly method: string;
  readonly target: string;
  readonly status: number;
  /** Objects that got their name or bytes while it was served, relative to the data folder, by kind. */
  readonly objects: Objects;
}

type Objects = Readonly<Record<ObjectKind, Set<string>>>;

/** The kinds of objects that acknowledgements depend on; they must not depend on `other`. */
type ObjectKind = 'format' | 'data' | 'slot' | 'marker' | 'staged' | 'session' | 'other';

const KINDS: readonly (readonly [RegExp, ObjectKind])[] = [
  [/^format$/, 'format'],
  [/^data\//, 'data'],
  [/^repos\/.*\/_log\//, 'slot'],
  [/^catalog\//, 'marker'],
  [/^uploads\/[^/]+\/session$/, 'session'],
  [/^uploads\//, 'staged'],
];

export function kindOf(name: string): ObjectKind {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'other';
}

/** What must be durable before a name of this kind is created, because readers trust it once they see it after a power cut. */
const RESTS_ON: Partial<Record<ObjectKind, readonly ObjectKind[]>> = {
  slot: ['data', 'marker', 'slot'],
  session: ['staged'],
};

interface Pending {
  readonly method: string;
  readonly target: string;
  readonly objects: Objects;
}

/**
 * Compares each response in a trace with what a power cut at that moment would leave. Requests are sequential, so a response may
 * depend on everything written before it. Hints (digests/), files in tmp/ and the lock may vanish.
 */
export function checkTrace(calls: readonly Call[], root: string): { answers: Answered[]; faults: string[] } {
  const cache = new PageCache();
  const answers: Answered[] = [];
  const faults: string[] = [];
  const pending = new Map<string, Pending>();
  const needed = (kinds?: readonly ObjectKind[]): string[] =>
    cache.below(`${root}/`).filter((path) => {
      const kind = kindOf(path.slice(root.length + 1));
      return kinds === undefined ? kind !== 'other' : kinds.includes(kind);
    });
  for (const call of calls) {
    const { op, path, begin } = call;
    if (op === 'receive') {
      const [, method, target] = /^(GET|HEAD|POST|PUT|PATCH|DELETE) (\S+) HTTP/.exec(call.text ?? '') ?? [];
      if (method !== undefined && target !== undefined) pending.set(path, { method, target, objects: noObjects() });
    }
    const request = op === 'send' ? pending.get(path) : undefined;
    if (request !== undefined) {
      const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(call.text ?? '')?.[1] ?? Number.NaN);
      const missing = needed().flatMap((file) => cache.missing(file, begin));
      const { method, target, objects } = request;
      answers.push({ method, target, status, objects });
      faults.push(...missing.map((fault) => `${method} ${target} was answered with ${status}, but ${fault}`));
      pending.delete(path);
    }
    const name = nameIn(root, op === 'link' || op === 'rename' ? (call.to ?? '') : path);
    if (name !== undefined && (op === 'link' || op === 'rename'))
      faults.push(...orderFaults(cache, call, name, needed));
    if (name !== undefined && op !== 'sync' && op !== 'remove' && op !== 'make-folder') note(pending, call, name);
    cache.apply(call);
  }
  return { answers, faults };
}

/** Bytes come before their name, and so does everything that the name makes readers trust. */
function orderFaults(
  cache: PageCache,
  { op, path, to = '', begin }: Call,
  name: string,
  needed: (kinds: readonly ObjectKind[]) => string[],
): string[] {
  const kind = kindOf(name);
  if (kind === 'other') return [];
  const faults = cache.bytesAreDurable(path, begin) ? [] : [`${op} to ${to} before the bytes of ${path} were synced`];
  for (const file of needed(RESTS_ON[kind] ?? [])) {
    faults.push(...cache.missing(file, begin).map((fault) => `${op} to ${to} while ${fault}`));
  }
  return faults;
}

function note(pending: ReadonlyMap<string, Pending>, { op, creates, empties }: Call, name: string): void {
  if (op === 'open' && creates !== true && empties !== true) return;
  for (const { objects } of pending.values()) objects[kindOf(name)].add(name);
}

function nameIn(root: string, path: string): string | undefined {
  return path.startsWith(`${root}/`) ? path.slice(root.length + 1) : undefined;
}

function noObjects(): Objects {
  const none = () => new Set<string>();
  return { format: none(), data: none(), slot: none(), marker: none(), staged: none(), session: none(), other: none() };
}
