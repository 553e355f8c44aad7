import { LRUCache } from 'lru-cache';
import type { AccessPolicy, Caller } from '../access/access.ts';
import {
  createHold,
  HOLD_NAME,
  type HoldContent,
  HoldUnreadable,
  holdIds,
  MAX_HOLDS,
  readHold,
  removeHold,
} from '../collection/holds.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import { nameUnknown } from '../registry/require-repository.ts';
import type { ObjectStore, StoreReader } from '../storage/driver.ts';
import type { Pin, PinList, Pins, WantedPin } from './interface.ts';

export interface PinPorts {
  readonly driver: StoreReader & Pick<ObjectStore, 'create' | 'delete'>;
  readonly access: AccessPolicy;
  /** The error for all writes; undefined while the registry accepts them. */
  readonly writesRefused: () => RegistryError | undefined;
  /** The last slot of a repository that exists. */
  readonly stateOf: (repo: RepositoryName) => Promise<{ readonly exists: boolean; readonly seq: number }>;
  readonly newId: () => Incarnation;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Some are left for operators and backups, which need one each. */
const MAX_PINS = MAX_HOLDS / 2;
/** How long it is remembered what a pin keeps, in milliseconds. Only the end of a backup's own changes. */
const KNOWN_FOR_MS = 60_000;
/** A slot that was written meanwhile may have unlinked something: then the new state is pinned instead. */
const MAX_ATTEMPTS = 5;
const DAY = 24 * 3_600_000;
const MAX_DURATION = 3_660 * DAY;

/** A pin, and the repository if it keeps only one. */
interface Known extends Pin {
  readonly only: RepositoryName | undefined;
}

export class RepositoryPins implements Pins {
  readonly #ports: PinPorts;
  readonly #known: LRUCache<Incarnation, Known>;

  constructor(ports: PinPorts) {
    this.#ports = ports;
    this.#known = new LRUCache({ max: 2 * MAX_HOLDS, ttl: KNOWN_FOR_MS });
  }

  refusalOf(caller: Caller): RegistryError | undefined {
    if (this.#isAdmin(caller)) return this.#ports.writesRefused();
    return new RegistryError('denied', 'you may not pin: that needs the right "admin"');
  }

  async list(repo: RepositoryName, caller: Caller): Promise<PinList> {
    await this.#existing(repo, caller);
    const { pins, unreadable } = await this.#active();
    const seesAll = this.#isAdmin(caller);
    const shown = pins.filter(({ only }) => only === repo || (seesAll && only === undefined));
    return { pins: shown.map(pinOf).sort((one, other) => other.created - one.created), unreadable };
  }

  async pin(repo: RepositoryName, { name: wanted, duration }: WantedPin, caller: Caller): Promise<Pin> {
    const { driver, newId, now } = this.#ports;
    this.#require(caller);
    if (!(duration > 0 && duration <= MAX_DURATION))
      throw new RegistryError('request-invalid', `a pin lasts at most ${MAX_DURATION / DAY} days`);
    await this.#existing(repo, caller);
    const { pins, unreadable } = await this.#active();
    if (pins.length + unreadable >= MAX_PINS)
      throw new RegistryError('request-invalid', `there are ${pins.length + unreadable} pins already: end one first`);
    const name = wanted ?? `page-${newId().toLowerCase()}`;
    if (!HOLD_NAME.test(name))
      throw new RegistryError(
        'request-invalid',
        'the name of a pin has lower-case letters, digits, . _ and -, at most 63',
      );
    if (pins.some((each) => each.name === name))
      throw new RegistryError('request-invalid', `there is a pin ${name} already: choose another name`);
    const created = now();
    const times = { moment: created, created, until: created + duration };
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
      const { seq } = await this.#existing(repo, caller);
      const id = newId();
      const content: HoldContent = { v: 1, name, ...times, by: caller.actor.label, logs: [[repo, seq]] };
      await createHold(driver, id, content);
      // Nothing was unlinked until now, so no round of collection that has read the holds before frees any of it.
      if ((await this.#existing(repo, caller)).seq === seq) return pinOf(knownOf(id, content, content.logs));
      await removeHold(driver, id);
    }
    throw new RegistryError('unavailable', `${repo} changes too fast to be pinned now: try again`);
  }

  async unpin(repo: RepositoryName, id: Incarnation, caller: Caller): Promise<void> {
    this.#require(caller);
    await this.#existing(repo, caller);
    const { pins } = await this.#active();
    const found = pins.find((pin) => pin.id === id);
    // It has ended already.
    if (found === undefined) return;
    if (found.only !== repo)
      throw new RegistryError(
        'request-invalid',
        `the pin ${found.name} keeps other repositories, too: an operator can end it`,
      );
    await removeHold(this.#ports.driver, id);
    this.#known.delete(id);
  }

  #isAdmin(caller: Caller): boolean {
    return this.#ports.access.allowsRegistry(caller, 'admin');
  }

  #require(caller: Caller): void {
    const refusal = this.refusalOf(caller);
    if (refusal !== undefined) throw refusal;
  }

  async #existing(repo: RepositoryName, caller: Caller): Promise<{ readonly seq: number }> {
    const { access, stateOf } = this.#ports;
    if (!access.allows(caller, 'pull', repo)) throw nameUnknown(repo);
    const state = await stateOf(repo);
    if (!state.exists) throw nameUnknown(repo);
    return state;
  }

  /** The pins that have not ended. */
  async #active(): Promise<{ readonly pins: readonly Known[]; readonly unreadable: number }> {
    const { driver, now } = this.#ports;
    const pins: Known[] = [];
    let unreadable = 0;
    for (const id of await holdIds(driver)) {
      try {
        const pin = await this.#read(id);
        if (pin !== undefined && pin.until > now()) pins.push(pin);
      } catch (error) {
        if (!(error instanceof HoldUnreadable)) throw error;
        unreadable++;
      }
    }
    return { pins, unreadable };
  }

  async #read(id: Incarnation): Promise<Known | undefined> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const hold = await readHold(this.#ports.driver, id);
    if (hold === undefined) return undefined;
    const read = knownOf(id, hold, [...hold.logs]);
    this.#known.set(id, read);
    return read;
  }
}

function knownOf(
  id: Incarnation,
  { name, moment, created, until, by }: Omit<HoldContent, 'logs'>,
  logs: HoldContent['logs'],
): Known {
  const only = logs.length === 1 ? logs[0]?.[0] : undefined;
  return { id, name, moment, created, until, by, repositories: logs.length, only };
}

function pinOf({ only: _, ...pin }: Known): Pin {
  return pin;
}
