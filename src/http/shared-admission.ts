import type { InProgress, SharedTable } from '../system/shared-table.ts';
import type { AdmissionCounts } from './admission.ts';

/** How long a thread without new requests may count some that have ended. */
const REFRESH_MS = 20;

export interface SharedAdmissionPorts {
  /** One word, the same in all threads, for the requests in progress. */
  readonly total: Int32Array<SharedArrayBuffer>;
  /** By client. */
  readonly clients: SharedTable;
  /** Requests in progress on this thread. */
  readonly pending: () => number;
}

/**
 * The requests in progress on all threads. A new request is counted before it is admitted, so the total is never too small. Bun does
 * not tell when a response has been sent: a thread notices that at its next request, or 20 ms later.
 *
 * The limit of a client is checked before the request begins and counted once it must wait, both in one turn of the thread. So if
 * threads get requests of one client in the same instant, one more for each further thread may pass.
 */
export class SharedAdmission implements AdmissionCounts {
  readonly #ports: SharedAdmissionPorts;
  /** What this thread has added to the total. */
  #counted = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(ports: SharedAdmissionPorts) {
    this.#ports = ports;
  }

  total(here: number): number {
    const more = here - this.#counted;
    this.#counted = here;
    this.#timer ??= this.#refreshLater();
    return Atomics.add(this.#ports.total, 0, more) + more;
  }

  get isEmpty(): boolean {
    return this.#ports.clients.size === 0;
  }

  of(client: string): number {
    return this.#ports.clients.requests(client);
  }

  enter(client: string): void {
    this.#ports.clients.update(client, oneMore);
  }

  leave(client: string): void {
    this.#ports.clients.update(client, oneLess);
  }

  #refreshLater(): ReturnType<typeof setTimeout> {
    const timer = setTimeout(() => {
      this.#timer = undefined;
      const pending = this.#ports.pending();
      // A thread without requests needs no timer.
      if (pending > 0) this.total(pending);
      else this.#end();
    }, REFRESH_MS);
    timer.unref();
    return timer;
  }

  #end(): void {
    Atomics.sub(this.#ports.total, 0, this.#counted);
    this.#counted = 0;
  }
}

function oneMore(record: InProgress): void {
  record.requests++;
}

function oneLess(record: InProgress): void {
  record.requests--;
}
