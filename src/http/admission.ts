import { clientOf } from '../access/client-address.ts';
import { RegistryError } from '../oci/errors.ts';

export interface AdmissionLimits {
  /** Maximum requests in progress. */
  readonly max: number;
  /** Maximum of them for one client. */
  readonly maxPerAddress: number;
}

/** The requests in progress on all threads of the process. */
export interface AdmissionCounts {
  /** @param here the requests in progress on this thread */
  total(here: number): number;
  /** Whether no client has a request that was counted. */
  readonly isEmpty: boolean;
  /** @param client key from `clientOf` */
  of(client: string): number;
  enter(client: string): void;
  leave(client: string): void;
}

/**
 * Limits the requests in progress, in total and for each client, because each may hold a file, an upload's lease, parts in memory and
 * a timer. Bun does not report connections: idle ones must be limited by the load balancer (docs/decisions/0031).
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #counts: AdmissionCounts;

  constructor(limits: AdmissionLimits, counts: AdmissionCounts = new CountsOfOneThread()) {
    this.#limits = limits;
    this.#counts = counts;
  }

  /**
   * @param here requests on this thread whose response is not completely sent, including this one
   * @throws RegistryError `overloaded`, `too-many-requests`
   */
  check(here: number, request: { readonly client: string | undefined }): void {
    if (this.#counts.total(here) > this.#limits.max)
      throw new RegistryError('overloaded', 'the registry is at its limit of requests in progress: try again');
    if (!this.#counts.isEmpty && this.#counts.of(clientOf(request.client)) >= this.#limits.maxPerAddress)
      throw new RegistryError(
        'too-many-requests',
        'this client has too many requests in progress: finish some first, or try again',
      );
  }

  /** Counts a request whose response takes time. One that is answered synchronously holds nothing and is not counted. */
  enter(address: string | undefined): void {
    this.#counts.enter(clientOf(address));
  }

  leave(address: string | undefined): void {
    this.#counts.leave(clientOf(address));
  }
}

class CountsOfOneThread implements AdmissionCounts {
  readonly #byClient = new Map<string, number>();

  total(here: number): number {
    return here;
  }

  get isEmpty(): boolean {
    return this.#byClient.size === 0;
  }

  of(client: string): number {
    return this.#byClient.get(client) ?? 0;
  }

  enter(client: string): void {
    this.#byClient.set(client, this.of(client) + 1);
  }

  leave(client: string): void {
    const left = this.of(client) - 1;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }
}
