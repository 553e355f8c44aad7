// Checks every slot and every object when it is written or deleted.
import type { Batch, JournalEvent } from '../../../src/journal/events.ts';
import { algorithmOf, digestOf } from '../../../src/oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../../../src/oci/names.ts';
import type { Projection } from '../../../src/projection/projection.ts';
import type { WantedBlob, WantedManifest } from '../../../src/registry/restoration.ts';
import type { Key } from '../../../src/storage/driver.ts';
import { dataKey, incarnationOfDataKey, logPrefix, repositoryOfLogKey } from '../../../src/storage/paths.ts';
import { changed } from '../bugs.ts';
import { GrowingLog } from '../checks.ts';
import type { History } from '../history.ts';
import type { ObjectObserver, Objects } from '../objects.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Setting } from '../setting.ts';

export interface TruthPorts {
  readonly objects: Objects;
  readonly scheduler: Scheduler;
  readonly history: History;
  readonly setting: Setting;
}

/** Events that show that a run exercised the collection. */
export interface Counts {
  /** Objects that had been linked and were then deleted. */
  freed: number;
  /** Objects that were condemned, but not deleted because a log linked them. */
  spared: number;
  /** Epochs in which more than one leader wrote fences. */
  shared: number;
  /** Links that were decided, lost their slot to a fence and were decided again. */
  again: number;
  /** Of these, the ones whose second decision differed. */
  averted: number;
  /** Pinned objects that no log linked any more at the end of their pin, or of the run. */
  pinned: number;
}

/** What a pin keeps of one repository. */
interface Pinned {
  readonly repo: RepositoryName;
  readonly incs: ReadonlyMap<Incarnation, Digest>;
  readonly until: number;
}

type Linked = Extract<JournalEvent, { readonly type: 'blob.linked' | 'manifest.put' }>;

interface AllLinks {
  readonly blobs: Map<Digest, WantedBlob>;
  readonly manifests: Map<Digest, WantedManifest>;
}

export class Truth implements ObjectObserver {
  readonly logs = new Map<RepositoryName, GrowingLog>();
  readonly #ports: TruthPorts;
  readonly #fences = new Map<RepositoryName, number>();
  readonly #leaders = new Map<Incarnation, Set<string>>();
  /** Everything that each repository has ever linked, as an operator finds it in the log. */
  readonly #allLinks = new Map<RepositoryName, AllLinks>();
  readonly #everLinked = new Set<Incarnation>();
  readonly #pins: Pinned[] = [];
  #freed = 0;
  #again = 0;
  #averted = 0;
  #onlyPinned = 0;
  spared = 0;

  constructor(ports: TruthPorts) {
    this.#ports = ports;
    ports.objects.observer = this;
  }

  get counts(): Counts {
    const shared = [...this.#leaders.values()].filter((nodes) => nodes.size > 1).length;
    return {
      ...{ freed: this.#freed, spared: this.spared, shared, again: this.#again, averted: this.#averted },
      pinned: this.#onlyPinned,
    };
  }

  /** A pin keeps a repository as it was after a slot, except what was lost before. @param until milliseconds */
  pinned(repo: RepositoryName, seq: number, lost: ReadonlySet<Digest>, until: number): void {
    const then = this.logs.get(repo)?.states.findLast(({ state }) => state.seq === seq)?.state;
    const incs = new Map<Incarnation, Digest>();
    for (const [digest, { inc }] of [...(then?.blobs ?? []), ...(then?.manifests ?? [])]) {
      if (!lost.has(digest)) incs.set(inc, digest);
    }
    this.#pins.push({ repo, incs, until });
  }

  /** Nothing is pinned any more. */
  unpinned(): void {
    const live = new Set<Incarnation>();
    for (const { state } of this.logs.values()) {
      for (const { inc } of [...state.blobs.values(), ...state.manifests.values()]) live.add(inc);
    }
    for (const { incs } of this.#pins.splice(0)) {
      for (const inc of incs.keys()) if (!live.has(inc)) this.#onlyPinned++;
    }
  }

  made(key: Key, bytes: Uint8Array): void {
    const repo = repositoryOfLogKey(key);
    if (repo === undefined || !key.startsWith(logPrefix(repo))) return;
    const { history, scheduler } = this.#ports;
    const log = this.logs.get(repo) ?? new GrowingLog(repo, history);
    this.logs.set(repo, log);
    log.add(bytes, scheduler.step, (batch) => this.#observe(repo, log, batch));
  }

  #observe(repo: RepositoryName, log: GrowingLog, batch: Batch): void {
    for (const event of batch.events) {
      if (event.type === 'gc.fence') {
        this.#fences.set(repo, this.fencesOf(repo) + 1);
        const leaders = this.#leaders.get(event.epoch) ?? new Set();
        this.#leaders.set(event.epoch, leaders.add(batch.node));
      } else if (event.type === 'blob.linked' || event.type === 'manifest.put') {
        this.#checkLinked(repo, event.digest, event.inc);
        this.#everLinked.add(event.inc);
        this.#remember(repo, event);
      } else if (event.type === 'blob.unlinked' && event.actor === undefined) {
        this.#checkUnlinked(repo, log, event.digest);
      }
    }
  }

  #remember(repo: RepositoryName, { type, actor: _, ...event }: Linked): void {
    const { blobs, manifests } = this.allLinksOf(repo);
    const known: Map<Digest, { readonly incs: readonly Incarnation[] }> = type === 'blob.linked' ? blobs : manifests;
    const { inc, ...what } = event;
    known.set(event.digest, { ...what, incs: [...new Set([inc, ...(known.get(event.digest)?.incs ?? [])])] });
  }

  allLinksOf(repo: RepositoryName): AllLinks {
    const links = this.#allLinks.get(repo) ?? { blobs: new Map(), manifests: new Map() };
    this.#allLinks.set(repo, links);
    return links;
  }

  fencesOf(repo: RepositoryName): number {
    return this.#fences.get(repo) ?? 0;
  }

  /** I4 and I6: linked bytes exist and match their digest. */
  #checkLinked(repo: RepositoryName, digest: Digest, inc: Incarnation): void {
    const { objects, history } = this.#ports;
    const bytes = objects.get(dataKey(inc));
    if (bytes === undefined) history.violated(`${repo}: ${digest} is linked to ${inc}, which is gone`);
    else if (digestOf(algorithmOf(digest), bytes) !== digest) {
      history.violated(`${repo}: ${digest} is linked to ${inc}, which has other bytes`);
    }
  }

  /** The system unlinks only unreferenced blobs that are old enough. */
  #checkUnlinked(repo: RepositoryName, { state }: GrowingLog, digest: Digest): void {
    const { history, setting, scheduler } = this.#ports;
    const link = state.blob(digest);
    if (link === undefined || state.references(digest) > 0) {
      history.violated(`${repo}: ${digest} was unlinked although it is in use`);
    } else if (scheduler.now - link.since < setting.grace - setting.skew) {
      history.violated(`${repo}: ${digest} was unlinked too early`);
    }
  }

  /** I4 at each moment; deleted content stays restorable for the grace. */
  gone(key: Key): void {
    const inc = incarnationOfDataKey(key);
    if (inc === undefined) return;
    const { history, setting, scheduler } = this.#ports;
    for (const [repo, { state }] of this.logs) {
      for (const [digest, link] of [...state.blobs, ...state.manifests]) {
        if (link.inc === inc) history.violated(`${repo}: the bytes ${inc} of ${digest} are deleted`);
      }
      const unlinked = state.tombstones.get(inc);
      if (unlinked !== undefined && scheduler.now - unlinked < setting.grace - setting.skew) {
        history.violated(`${repo}: ${inc} was deleted ${scheduler.now - unlinked} ms after it was unlinked`);
      }
    }
    for (const { repo, incs, until } of this.#pins) {
      const digest = incs.get(inc);
      if (digest === undefined || scheduler.now >= until - setting.skew) continue;
      history.violated(`${repo}: the pinned bytes ${inc} of ${digest} are deleted`);
    }
    if (this.#everLinked.has(inc)) this.#freed++;
  }

  /** Counts the links that are decided again because of a fence. */
  readonly observe = (projection: Projection): Projection =>
    changed(projection, {
      submit: (repo, command) => {
        let before: { readonly fences: number; readonly links: readonly Incarnation[] } | undefined;
        return projection.submit(repo, {
          ...command,
          decide: async (facts) => {
            const fences = this.fencesOf(repo);
            const decision = await command.decide(facts);
            const links = decision.kind === 'accepted' ? linksOf(decision.events) : [];
            if (before !== undefined && before.links.length > 0 && fences > before.fences) {
              this.#again++;
              if (before.links.some((inc) => !links.includes(inc))) this.#averted++;
            }
            before = { fences, links };
            return decision;
          },
        });
      },
    });
}

function linksOf(events: readonly JournalEvent[]): readonly Incarnation[] {
  return events.flatMap((event) => (event.type === 'blob.linked' || event.type === 'manifest.put' ? [event.inc] : []));
}
