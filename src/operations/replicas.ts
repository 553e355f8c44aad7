import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Incarnation } from '../oci/names.ts';
import type { Introduction } from '../replica/protocol.ts';
import { announced, text } from './roster/announcement.ts';

/** What is known of a replica of this store. Later versions may add fields. */
export const replicaSighting = z.object({
  /** Of the process that copies. */
  name: text,
  /** The last note that it has. */
  note: z.int().nonnegative(),
  /** Its address, as far as it is known. */
  client: text.optional(),
});

export type ReplicaSighting = z.infer<typeof replicaSighting>;

/** How often a replica that has nothing new is reported, in milliseconds. */
const REPORT_EVERY_MS = 10_000;
/** Replicas whose last report is remembered. */
const MAX_REPLICAS = 100;

export interface ReplicaWatchPorts {
  readonly report: (id: Incarnation, sighting: ReplicaSighting) => Promise<void>;
  /** Called once until a report succeeds again. */
  readonly failed: (error: unknown) => void;
  /** Milliseconds, of a monotonic clock. */
  readonly now: () => number;
}

/** Notices the replicas that make requests to one thread. */
export class ReplicaWatch {
  readonly #ports: ReplicaWatchPorts;
  readonly #reported = new LRUCache<Incarnation, { readonly at: number; readonly note: number }>({ max: MAX_REPLICAS });
  #hasFailed = false;

  constructor(ports: ReplicaWatchPorts) {
    this.#ports = ports;
  }

  /** Returns at once. @param client address of the replica, as far as it is known */
  saw({ id, note, name }: Introduction, client: string | undefined): void {
    const now = this.#ports.now();
    const last = this.#reported.get(id);
    if (last?.note === note && now - last.at < REPORT_EVERY_MS) return;
    this.#reported.set(id, { at: now, note });
    void this.#report(id, {
      name: announced(name),
      note,
      client: client === undefined ? undefined : announced(client),
    });
  }

  async #report(id: Incarnation, sighting: ReplicaSighting): Promise<void> {
    try {
      await this.#ports.report(id, sighting);
      this.#hasFailed = false;
    } catch (error) {
      if (!this.#hasFailed) this.#ports.failed(error);
      this.#hasFailed = true;
    }
  }
}
