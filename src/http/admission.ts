import { clientOf } from '../access/client-address.ts';
import { RegistryError } from '../oci/errors.ts';

export interface AdmissionLimits {
  /** Maximum requests in progress. */
  readonly max: number;
  /** Maximum of them for one client. */
  readonly maxPerAddress: number;
}

/**
 * Limits the requests in progress, in total and for each client, because each may hold a file, an upload's lease, parts in memory and
 * a timer. Bun does not report connections: idle ones must be limited by the load balancer (docs/decisions/0031).
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #byClient = new Map<string, number>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /**
   * @param inFlight requests whose response is not completely sent, including this one
   * @throws RegistryError `overloaded`, `too-many-requests`
   */
  check(inFlight: number, request: { readonly client: string | undefined }): void {
    if (inFlight > this.#limits.max)
      throw new RegistryError('overloaded', 'the registry is at its limit of requests in progress: try again');
    if (this.#byClient.size > 0 && (this.#byClient.get(clientOf(request.client)) ?? 0) >= this.#limits.maxPerAddress)
      throw new RegistryError(
        'too-many-requests',
        'this client has too many requests in progress: finish some first, or try again',
      );
  }

  /** Counts a request whose response takes time. One that is answered synchronously holds nothing and is not counted. */
  enter(address: string | undefined): void {
    const client = clientOf(address);
    this.#byClient.set(client, (this.#byClient.get(client) ?? 0) + 1);
  }

  leave(address: string | undefined): void {
    const client = clientOf(address);
    const left = (this.#byClient.get(client) ?? 0) - 1;
    if (left > 0) this.#byClient.set(client, left);
    else this.#byClient.delete(client);
  }
}
