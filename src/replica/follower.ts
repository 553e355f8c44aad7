import { decodeRobotBatch, type RobotBatch } from '../access/robots/events.ts';
import { brokenSlot as brokenRobotSlot } from '../access/robots/slot.ts';
import type { RobotsView } from '../access/robots/view.ts';
import { markedRepositories } from '../collection/scan.ts';
import { decodeNote, type NoteBatch } from '../feed/notes/events.ts';
import { brokenNote } from '../feed/notes/note.ts';
import type { NotesView } from '../feed/notes/view.ts';
import { DifferentHistory } from '../journal/replay.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { Durability, ObjectStore } from '../storage/driver.ts';
import { noteKey, robotSlotKey } from '../storage/paths.ts';
import { requireAtSource } from './ahead.ts';
import { requireFollowable, requireSameHistory } from './check-source.ts';
import type { LogCopier, Targets } from './copy-logs.ts';
import type { ReplicaIdentity } from './identity.ts';
import type { ReplicationSource } from './interface.ts';
import { mirrorCollections } from './mirror-collections.ts';
import type { MissingBytes } from './missing-bytes.ts';
import { MAX_WAIT_MS } from './protocol.ts';
import { SourceAway, SourceRefused } from './source-errors.ts';
import { createStoreSlots, decodeFollowing, type StoreLogCopy } from './store-log.ts';

/** How long to wait after the source did not answer: at first, and at most. */
const RETRY_MS = { first: 1_000, longest: 30_000 } as const;
/** How long to wait after the source was refused. */
const REFUSED_MS = 60_000;
/** How long to wait after the source answered a request to wait at once, and with nothing. */
const REST_MS = 1_000;
/** How often the source is checked again while it answers. */
const CHECK_EVERY_MS = 60_000;
const MIRROR_EVERY_MS = 10 * 60_000;

export type FollowingState =
  /** Not yet asked. */
  | { readonly kind: 'starting' }
  /** @property isCurrent whether it has every note and slot @property missing objects that logs link and that the source lacks */
  | { readonly kind: 'following'; readonly isCurrent: boolean; readonly missing: number }
  /** The source does not answer, or this store does not. @property since milliseconds */
  | { readonly kind: 'away' | 'failing'; readonly since: number; readonly error: Error }
  /** Nothing is copied until the source, or this version of Marina, is another one. */
  | { readonly kind: 'refused'; readonly error: Error };

export interface FollowerPorts {
  readonly driver: Pick<Durability, 'confirm'> & ObjectStore;
  readonly source: ReplicationSource;
  readonly identity: ReplicaIdentity;
  readonly logs: Pick<LogCopier, 'copy'>;
  readonly missing: Pick<MissingBytes, 'restart' | 'look' | 'isKnown' | 'count'>;
  /** The notes here. Only the follower changes them. */
  readonly notes: NotesView;
  /** The robots here, as far as this follower knows them. */
  readonly robots: RobotsView;
  /** As in LogCopierPorts. */
  readonly mayCreate: () => Promise<void>;
  /** Called when notes are durable, with the slots that they name and the last of them, and when robots are. */
  readonly noted: (reached: Targets, seq: number) => Promise<void>;
  readonly robotsChanged: () => Promise<void>;
  /** Called before objects are deleted. */
  readonly deleting: () => void;
  /** As in MirrorPorts. */
  readonly refusedLists: () => void;
  readonly yieldToRequests: () => Promise<void>;
  /** Called with the lineage of the source each time it was checked. */
  readonly checked: (lineage: readonly Incarnation[]) => void;
  /** Called when the state changes. */
  readonly became: (state: FollowingState) => void;
  /** Milliseconds. */
  readonly now: () => number;
  /** From 0 to 1. */
  readonly random: () => number;
  /** Resolves early when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Makes a store equal to its source, and keeps it so: for each note of the source, first the logs that it names reach the slots that it
 * names, then the same note is created here. So the last note here says how far this store has come, and a process that was killed goes
 * on from it.
 */
export class Follower {
  readonly #ports: FollowerPorts;
  readonly #notes: StoreLogCopy<NoteBatch>;
  readonly #robots: StoreLogCopy<RobotBatch>;
  #state: FollowingState = { kind: 'starting' };
  #checkedAt: number | undefined;
  /** The logs here that may have more slots than the notes here name. */
  #ahead: ReadonlySet<RepositoryName> | 'any' = 'any';
  #mirroredAt: number | undefined;

  constructor(ports: FollowerPorts) {
    const { notes, robots } = ports;
    this.#ports = ports;
    this.#notes = {
      name: 'the notes',
      keyOf: noteKey,
      decode: decodeNote,
      broken: brokenNote,
      head: () => notes,
      apply: (slot) => notes.apply(slot),
    };
    this.#robots = {
      name: 'the log of robots',
      keyOf: robotSlotKey,
      decode: decodeRobotBatch,
      broken: brokenRobotSlot,
      head: () => robots,
      apply: (slot) => robots.apply(slot),
    };
  }

  get state(): FollowingState {
    return this.#state;
  }

  /** Follows until the signal is aborted. What it began is complete when it resolves. */
  async run(signal: AbortSignal): Promise<void> {
    let pause: number = RETRY_MS.first;
    this.#ports.missing.restart();
    // Another process may have copied logs since.
    this.#ahead = 'any';
    while (!signal.aborted) {
      try {
        await this.#follow(signal, () => {
          pause = RETRY_MS.first;
        });
      } catch (error) {
        if (signal.aborted) return;
        this.#failed(error);
        const wait = this.#state.kind === 'refused' ? REFUSED_MS : pause * (0.5 + this.#ports.random());
        await this.#ports.sleep(wait, signal);
        pause = Math.min(2 * pause, RETRY_MS.longest);
      }
    }
  }

  /** Two loops, because a change of the robots must not wait for the next note. If one fails, the other ends, too. */
  async #follow(outer: AbortSignal, answered: () => void): Promise<void> {
    const { notes, robots, missing } = this.#ports;
    await notes.refresh();
    await robots.refresh();
    await this.#check(outer);
    const repositories = this.#ahead === 'any' ? markedRepositories(this.#ports.driver) : this.#ahead;
    this.#ahead = await requireAtSource(repositories, notes.reached, this.#ports, outer);
    answered();
    // The first copy may take hours. What failed or was refused before may do so again, so that state ends with the first success.
    if (this.#state.kind === 'starting' || this.#state.kind === 'away')
      this.#become({ kind: 'following', isCurrent: false, missing: missing.count });
    const end = new AbortController();
    const signal = AbortSignal.any([outer, end.signal]);
    const failures: unknown[] = [];
    const loop = async (work: Promise<void>): Promise<void> => {
      try {
        await work;
      } catch (error) {
        failures.push(error);
      } finally {
        end.abort();
      }
    };
    await Promise.all([loop(this.#followNotes(signal)), loop(this.#followRobots(signal))]);
    // A later one may be that of the loop that was ended.
    if (failures.length > 0) throw failures[0];
  }

  async #check(signal: AbortSignal): Promise<void> {
    const { source, identity, notes, checked, now } = this.#ports;
    const { lineage } = await requireFollowable(source, identity);
    await requireSameHistory(source, notes, signal);
    checked(lineage);
    this.#checkedAt = now();
  }

  async #followNotes(signal: AbortSignal): Promise<void> {
    const { source, notes, missing, now } = this.#ports;
    while (!signal.aborted) {
      if (now() - (this.#checkedAt ?? 0) >= CHECK_EVERY_MS) await this.#check(signal);
      const isCurrent = this.#state.kind === 'following' && this.#state.isCurrent;
      const asked = now();
      const { slots, more } = await source.storeLog('notes', notes.seq, isCurrent ? MAX_WAIT_MS : 0, signal);
      if (slots.length > 0) await this.#copyNotes(slots, signal);
      else if (more) throw nothingShown('notes');
      else if (isCurrent) {
        await this.#restSince(asked, signal);
        // A source that has no newer note may be an old one that was put in its place.
        await this.#check(signal);
      }
      if (!more) {
        await this.#mirrorIfDue(signal);
        await missing.look(signal);
      }
      this.#become({ kind: 'following', isCurrent: !more && missing.isKnown, missing: missing.count });
    }
  }

  async #copyNotes(texts: readonly string[], signal: AbortSignal): Promise<void> {
    const { driver, logs, notes, noted } = this.#ports;
    const slots = decodeFollowing(texts, this.#notes);
    const targets = targetsOf(slots.map(({ batch }) => batch));
    const ahead = this.#ahead;
    this.#ahead = ahead === 'any' ? ahead : ahead.union(new Set(targets.keys()));
    await logs.copy(targets, signal);
    await createStoreSlots(slots, this.#notes, driver);
    this.#ahead = ahead;
    await noted(targets, notes.seq);
  }

  async #followRobots(signal: AbortSignal): Promise<void> {
    const { driver, source, robots, robotsChanged, mayCreate, now } = this.#ports;
    while (!signal.aborted) {
      const asked = now();
      const { slots } = await source.storeLog('robots', robots.seq, MAX_WAIT_MS, signal);
      if (slots.length === 0) {
        await this.#restSince(asked, signal);
        continue;
      }
      await mayCreate();
      await createStoreSlots(decodeFollowing(slots, this.#robots), this.#robots, driver);
      await robotsChanged();
    }
  }

  /** A source, or a proxy before it, that does not wait would be asked thousands of times a second. */
  async #restSince(asked: number, signal: AbortSignal): Promise<void> {
    const { now, sleep } = this.#ports;
    if (!signal.aborted && now() - asked < REST_MS) await sleep(REST_MS, signal);
  }

  async #mirrorIfDue(signal: AbortSignal): Promise<void> {
    const { now } = this.#ports;
    if (this.#mirroredAt !== undefined && now() - this.#mirroredAt < MIRROR_EVERY_MS) return;
    const copyAllLogs = (): Promise<void> => this.#copyAllLogs(signal);
    await mirrorCollections({ ...this.#ports, copyAllLogs }, signal);
    this.#mirroredAt = now();
  }

  async #copyAllLogs(signal: AbortSignal): Promise<void> {
    const { source, logs } = this.#ports;
    this.#ahead = 'any';
    let after: RepositoryName | undefined;
    for (let more = true; more; ) {
      const page = await source.repositories(after, signal);
      if (page.more && page.repositories.length === 0) throw nothingShown('repositories');
      await logs.copy(new Map(page.repositories.map((repo) => [repo, 0])), signal);
      after = page.repositories[page.repositories.length - 1];
      more = page.more;
    }
  }

  #failed(cause: unknown): void {
    const error = cause instanceof Error ? cause : new Error(String(cause));
    if (isFinal(error)) {
      this.#become({ kind: 'refused', error });
      return;
    }
    const kind = error instanceof SourceAway ? 'away' : 'failing';
    const since = this.#state.kind === kind ? this.#state.since : this.#ports.now();
    this.#become({ kind, since, error });
  }

  #become(state: FollowingState): void {
    this.#state = state;
    this.#ports.became(state);
  }
}

/** It would be asked for the same again, for ever. */
function nothingShown(what: string): SourceRefused {
  return new SourceRefused(`the source says that more ${what} follow, and shows none`);
}

/** Whether trying again at once cannot help: the source, or this version, must change first. */
function isFinal(error: unknown): boolean {
  return (
    error instanceof SourceRefused ||
    error instanceof DifferentHistory ||
    (error instanceof RegistryError && error.kind === 'log-broken')
  );
}

/** The newest slot of each log that notes name. */
function targetsOf(notes: readonly NoteBatch[]): Targets {
  const targets = new Map<RepositoryName, number>();
  for (const { events } of notes) {
    for (const event of events) if (event.type === 'log.grew') targets.set(event.repo, event.to);
  }
  return targets;
}
