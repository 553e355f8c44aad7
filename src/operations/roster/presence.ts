import type { Incarnation } from '../../oci/names.ts';
import type { Repeat } from '../../registry/renewed-lease.ts';
import type { Announcement } from './announcement.ts';
import type { Roster } from './roster.ts';

/** How often a process announces itself, in milliseconds. */
const ANNOUNCE_EVERY_MS = 5_000;

export interface PresencePorts {
  /** A fresh id of this process. */
  readonly id: Incarnation;
  readonly about: Omit<Announcement, 'isDraining' | 'address' | 'rules'>;
  /** SHA-256 of the ACCESS_FILE in use. */
  readonly rules: () => string | undefined;
  /** undefined for a process that has its store for itself. */
  readonly roster: Roster<Announcement> | undefined;
  readonly repeat: Repeat;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Called once until an announcement succeeds again. */
  readonly failed: (error: unknown) => void;
}

/** What this process says about itself. In a cluster it announces this every few seconds. */
export class Presence {
  readonly #ports: PresencePorts;
  readonly #end: () => void;
  #isDraining = false;
  #address: string | undefined;
  #hasFailed = false;
  /** One after another, so that the last one stays. */
  #last = Promise.resolve();

  constructor(ports: PresencePorts) {
    this.#ports = ports;
    this.#announce();
    const again = async (): Promise<void> => this.#announce();
    this.#end = ports.roster === undefined ? () => {} : ports.repeat(ANNOUNCE_EVERY_MS, again);
  }

  get id(): Incarnation {
    return this.#ports.id;
  }

  get about(): Announcement {
    const { about, rules } = this.#ports;
    return { ...about, isDraining: this.#isDraining, address: this.#address, rules: rules() };
  }

  /** It listens there. */
  listens(address: string): void {
    this.#address = address;
    this.#announce();
  }

  drains(): void {
    this.#isDraining = true;
    this.#announce();
  }

  /** Takes this process off the list, with those that it has replaced. Never rejects, and takes a few seconds at most. */
  async close(): Promise<void> {
    this.#end();
    const { roster, id } = this.#ports;
    if (roster !== undefined) {
      this.#enqueue(() => roster.leave(id));
      this.#enqueue(() => this.#dropReplaced(roster));
    }
    await this.#last;
  }

  /** Killed processes of this name and role: they were not heard since this one began. */
  async #dropReplaced(roster: Roster<Announcement>): Promise<void> {
    const { about: own, now } = this.#ports;
    const uptime = now() - own.started;
    for (const { id, silentFor, about } of await roster.list())
      if (about.name === own.name && about.role === own.role && silentFor >= uptime) await roster.leave(id);
  }

  #announce(): void {
    const { roster, id } = this.#ports;
    if (roster !== undefined) this.#enqueue(() => roster.announce(id, this.about));
  }

  #enqueue(work: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      try {
        await work();
        this.#hasFailed = false;
      } catch (error) {
        if (!this.#hasFailed) this.#ports.failed(error);
        this.#hasFailed = true;
      }
    });
  }
}
