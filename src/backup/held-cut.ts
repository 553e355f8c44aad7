import type { HoldContent } from '../collection/holds.ts';
import { lostIn, openRounds } from '../collection/pin.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { slotKey } from '../storage/paths.ts';
import { type Cut, type Known, newSlotsIn, takeCut } from './cut.ts';
import { BackupRefused } from './errors.ts';
import { HOLD_MS } from './hold-time.ts';
import type { Log } from './logs.ts';

/** How old a hold is when it is renewed. */
const RENEW_AFTER_MS = 5 * 60_000;
/** How often it is tried again, while the store is read-only or does not answer. */
const RETRY_AFTER_MS = 30_000;
/** A hold that could not be renewed for so long that only this time is left ends the backup. */
const MIN_LEFT_MS = 10 * 60_000;

/** Of names of holds. */
const MAX_NAME = 63;

/** How long to wait for the end of collections that began before the hold, in milliseconds. */
const ROUNDS_MS = 10 * 60_000;
const POLL_MS = 200;
/** Cuts that are taken until nothing of one was freed before its hold. A second one is needed only if a process was paused. */
const MAX_CUTS = 5;

export interface HoldPorts {
  readonly reader: StoreReader;
  /**
   * Creates the hold, or replaces it by one that ends later.
   * @returns false if the store is read-only: nothing is deleted then, but that may change
   */
  readonly hold: (id: Incarnation, content: HoldContent) => Promise<boolean>;
  readonly release: (id: Incarnation) => Promise<void>;
  /** Called if a hold could not be released. It ends by itself within HOLD_MS. */
  readonly onHoldLeft: (error: unknown) => void;
  readonly newId: () => Incarnation;
  /** Milliseconds. */
  readonly now: () => number;
  readonly sleep: (milliseconds: number) => Promise<void>;
  /** Of the backup. */
  readonly name: string;
  /** Who makes it. */
  readonly by: string;
}

/** A hold on the links of logs at some slots, which lasts as long as it is renewed. */
class RenewedHold {
  readonly #ports: HoldPorts;
  readonly #id: Incarnation;
  readonly #content: Omit<HoldContent, 'until'>;
  #nextAt = 0;
  #until = 0;
  #renewing: Promise<void> | undefined;

  constructor(logs: readonly [RepositoryName, number][], moment: number, ports: HoldPorts) {
    this.#ports = ports;
    this.#id = ports.newId();
    const { by, now } = ports;
    const name = `backup-${ports.name}`.slice(0, MAX_NAME);
    this.#content = { v: 1, kind: 'backup', name, moment, created: now(), by, logs: [...logs] };
  }

  /** To be awaited before each piece of work. Usually it returns at once. */
  renew(): Promise<void> | undefined {
    if (this.#ports.now() < this.#nextAt) return undefined;
    this.#renewing ??= this.#renew().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  async #renew(): Promise<void> {
    // The lifetime counts from before the request, which may take long.
    const at = this.#ports.now();
    const until = at + HOLD_MS;
    this.#nextAt = at + RETRY_AFTER_MS;
    try {
      if (!(await this.#ports.hold(this.#id, { ...this.#content, until }))) return;
      this.#until = until;
      this.#nextAt = at + RENEW_AFTER_MS;
    } catch (error) {
      // It is tried again as long as the hold lasts.
      if (this.#until < this.#ports.now() + MIN_LEFT_MS) throw error;
    }
  }

  /** Nothing depends on it: a hold that stays ends by itself. So a failure is only reported. */
  async release(): Promise<void> {
    try {
      await this.#ports.release(this.#id);
    } catch (error) {
      this.#ports.onHoldLeft(error);
    }
  }
}

/** A cut whose new bytes no collection deletes. */
export interface HeldCut<K extends Known> extends Cut<K> {
  /** To be awaited before each piece of work, so that the hold does not end before the work. */
  readonly renew: () => Promise<void> | undefined;
  /** Never rejects. */
  readonly release: () => Promise<void>;
}

/**
 * Takes a cut and holds what it has beyond what the place has. Collections that began before the hold may have missed it, so their end is
 * awaited. If something had been freed until then, it was not linked any more either, and a new cut does not have it.
 * @throws BackupRefused if collections do not end, or free something each time
 */
export async function takeHeldCut<K extends Known>(
  known: (log: Log) => K | undefined,
  ports: HoldPorts,
): Promise<HeldCut<K>> {
  const { reader, now } = ports;
  for (let cuts = 0; cuts < MAX_CUTS; cuts++) {
    const cut = await takeCut(reader, known, now);
    const logs = newSlotsIn(cut);
    const hold = logs.length === 0 ? undefined : new RenewedHold(logs, cut.moment, ports);
    const renew = (): Promise<void> | undefined => hold?.renew();
    const release = async (): Promise<void> => await hold?.release();
    try {
      await renew();
      if (hold !== undefined) await awaitRounds(ports, renew);
      if (!(await isAnythingLost(reader, logs))) return { ...cut, renew, release };
    } catch (error) {
      await release();
      throw error;
    }
    await release();
  }
  throw new BackupRefused(`collections freed content of ${MAX_CUTS} cuts in a row: try again`);
}

async function awaitRounds({ reader, sleep, now }: HoldPorts, renew: () => Promise<void> | undefined): Promise<void> {
  const deadline = now() + ROUNDS_MS;
  let waiting = await openRounds(reader);
  while (waiting.length > 0) {
    if (now() >= deadline)
      throw new BackupRefused(
        'a collection that began before the backup has not ended: see `marina gc`, and try again',
      );
    await sleep(POLL_MS);
    await renew();
    const open = new Set(await openRounds(reader));
    waiting = waiting.filter((round) => open.has(round));
  }
}

async function isAnythingLost(reader: StoreReader, logs: readonly [RepositoryName, number][]): Promise<boolean> {
  for (const [repo, seq] of logs) {
    // What the newest slot links cannot be garbage.
    if ((await reader.head(slotKey(repo, seq + 1))) === undefined) continue;
    for await (const _ of lostIn(reader, repo, seq)) return true;
  }
  return false;
}
