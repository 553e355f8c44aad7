import { forEachConcurrently } from '../collection/concurrently.ts';
import type { JournalEvent } from '../journal/events.ts';
import { decodeSlot } from '../journal/log.ts';
import { type CopiedSlot, markLog } from '../journal/replay.ts';
import type { WriterPorts } from '../journal/writer.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { Replayer } from '../projection/projection.ts';
import { linkable } from '../registry/condemned.ts';
import type { ByteCopier, NamedBytes, NotCopied } from './copy-bytes.ts';
import type { ReplicationSource } from './interface.ts';
import { MAX_LOGS, type WantedSlots } from './protocol.ts';
import { SourceAway, SourceRefused } from './source-errors.ts';

/** Requests for slots at once. */
const REQUESTS = 3;
/** Characters of the names in one request, which are part of its URL. */
const MAX_NAMES = 4_000;
/** Logs of one answer whose slots are created at once. */
const REPLAYS = 64;

export interface LogCopierPorts {
  readonly driver: WriterPorts['driver'];
  readonly source: Pick<ReplicationSource, 'slots'>;
  readonly bytes: Pick<ByteCopier, 'copy'>;
  readonly replayer: Replayer;
  /** The newest slot of a log here; 0: none. */
  readonly newest: (repo: RepositoryName) => Promise<number>;
  /** Called before slots are created. Throws if this store was promoted after they were received. */
  readonly mayCreate: () => Promise<void>;
  /** Whether other processes write to this store, and so may collect garbage in it after a promotion. */
  readonly isShared: boolean;
  /** Called when slots were created, with the number of their events. */
  readonly copied: (repo: RepositoryName, slots: number, events: number) => void;
  /** Called with bytes that slots of the repository name and that the source does not have. */
  readonly missing: (repo: RepositoryName, bytes: NotCopied) => void;
}

/** The least slot that a log must reach; 0: whatever the source has. */
export type Targets = ReadonlyMap<RepositoryName, number>;

interface Pending extends WantedSlots {
  readonly target: number;
}

/** Slots whose bytes are here, and what is to be requested after them. */
interface Fetched {
  readonly slots: ReadonlyMap<RepositoryName, readonly CopiedSlot[]>;
  readonly copied: readonly NamedBytes[];
  readonly left: readonly Pending[];
}

/**
 * Copies logs of repositories: first the bytes that new slots name, then the slots. Like any writer of a log, it makes the marker durable
 * first, and links only bytes that exist after that (DESIGN 8).
 */
export class LogCopier {
  readonly #ports: LogCopierPorts;

  constructor(ports: LogCopierPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves once every log has reached its target.
   * @throws DifferentHistory; SourceAway, SourceRefused; RegistryError `log-broken`; errors of the store
   */
  async copy(targets: Targets, signal: AbortSignal): Promise<void> {
    const pending: Pending[] = [];
    for (const [repo, target] of targets) {
      const after = await this.#ports.newest(repo);
      if (target === 0 || after < target) pending.push({ repo, after, target });
    }
    await forEachConcurrently(grouped(pending), REQUESTS, (group) => this.#copyGroup(group, signal));
  }

  /** While slots are created here, the next ones are requested. */
  async #copyGroup(group: readonly Pending[], signal: AbortSignal): Promise<void> {
    let fetched = await this.#fetch(group, signal);
    for (;;) {
      const creating = this.#create(fetched);
      if (fetched.left.length === 0) return await creating;
      const [created, next] = await Promise.allSettled([creating, this.#fetch(fetched.left, signal)]);
      if (created.status === 'rejected') throw created.reason;
      if (next.status === 'rejected') throw next.reason;
      fetched = next.value;
    }
  }

  /** Requests slots, and copies the bytes that they name. */
  async #fetch(group: readonly Pending[], signal: AbortSignal): Promise<Fetched> {
    signal.throwIfAborted();
    const { source, bytes, missing } = this.#ports;
    const { logs } = await source.slots(group, signal);
    const answers = new Map(logs.map((each) => [each.repository, each]));
    const slots = new Map<RepositoryName, CopiedSlot[]>();
    const named = new Map<Incarnation, NamedBytes>();
    const namedBy = new Map<Incarnation, Set<RepositoryName>>();
    const left: Pending[] = [];
    for (const { repo, after, target } of group) {
      const answer = answers.get(repo);
      if (answer === undefined) throw new SourceRefused(`the source left out ${repo} in an answer`);
      const decoded = answer.slots.map((text, index) => slotOf(text, repo, after + index + 1));
      slots.set(repo, decoded);
      for (const { batch } of decoded) {
        for (const each of batch.events.flatMap(bytesOf)) {
          named.set(each.inc, each);
          const repos = namedBy.get(each.inc) ?? new Set();
          namedBy.set(each.inc, repos.add(repo));
        }
      }
      const reached = after + decoded.length;
      if (!answer.more && reached < target)
        throw new SourceAway(`the source says that ${repo} has slot ${target}, but shows only ${reached}`);
      if (answer.more) left.push({ repo, after: reached, target });
    }
    await this.#mark(group);
    const failed = await bytes.copy(named.values(), signal);
    for (const each of failed) for (const repo of namedBy.get(each.inc) ?? []) missing(repo, each);
    const absent = new Set(failed.map(({ inc }) => inc));
    return { slots, copied: [...named.values()].filter(({ inc }) => !absent.has(inc)), left };
  }

  async #create({ slots, copied }: Fetched): Promise<void> {
    if (this.#ports.isShared) await this.#requireKept(copied);
    await this.#ports.mayCreate();
    await forEachConcurrently(slots, REPLAYS, ([repo, some]) => this.#replay(repo, some));
  }

  async #mark(group: readonly Pending[]): Promise<void> {
    await forEachConcurrently(group, REPLAYS, async ({ repo, after }) => {
      if (after === 0) await markLog(this.#ports, repo);
    });
  }

  /** The linker's rule. Only after a promotion, which this process has not noticed yet, may objects be condemned here. */
  async #requireKept(copied: readonly NamedBytes[]): Promise<void> {
    const kept = await linkable(this.#ports.driver, copied);
    if (kept.size < copied.length) throw new SourceAway('objects that were just copied are being collected here');
  }

  async #replay(repo: RepositoryName, slots: readonly CopiedSlot[]): Promise<void> {
    if (slots.length === 0) return;
    await this.#ports.replayer.replay(repo, slots);
    const events = slots.reduce((sum, { batch }) => sum + batch.events.length, 0);
    this.#ports.copied(repo, slots.length, events);
  }
}

/** The bytes that an event names. */
export function bytesOf(event: JournalEvent): readonly NamedBytes[] {
  if (event.type !== 'blob.linked' && event.type !== 'manifest.put') return [];
  const { inc, digest, size } = event;
  return [{ inc, digest, size }];
}

export function slotOf(text: string, repo: RepositoryName, seq: number): CopiedSlot {
  const bytes = new TextEncoder().encode(text);
  return { ...decodeSlot(bytes, repo, seq), bytes };
}

function* grouped(pending: readonly Pending[]): Generator<Pending[]> {
  let group: Pending[] = [];
  let length = 0;
  for (const each of pending) {
    if (group.length === MAX_LOGS || (group.length > 0 && length + each.repo.length > MAX_NAMES)) {
      yield group;
      [group, length] = [[], 0];
    }
    group.push(each);
    length += each.repo.length;
  }
  if (group.length > 0) yield group;
}
