import { RegistryError } from '../oci/errors.ts';

export interface AdmissionLimits {
  /** Requests that are served at once. */
  readonly max: number;
  /** Of these, how many one client address may have. */
  readonly maxPerAddress: number;
}

/**
 * How many requests are served at once, and how many of them for one client. A request that is served may hold a file, the lease of
 * an upload, parts in memory and a timer; one client must not be able to take all of them. Bun tells nobody of connections, so that
 * those without a request are the load balancer's to count (docs/decisions/0031).
 */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #byClient = new Map<string, number>();

  constructor(limits: AdmissionLimits) {
    this.#limits = limits;
  }

  /**
   * @param inFlight requests that have come and whose responses are not sent to their end, with this one
   * @throws RegistryError `overloaded`, `too-many-requests`
   */
  check(inFlight: number, request: { readonly client: string | undefined }): void {
    if (inFlight > this.#limits.max)
      throw new RegistryError('overloaded', 'the registry has as many requests as it can serve: try again');
    if (this.#byClient.size > 0 && (this.#byClient.get(clientOf(request.client)) ?? 0) >= this.#limits.maxPerAddress)
      throw new RegistryError(
        'too-many-requests',
        'this client has too many requests in progress: end some, or try again',
      );
  }

  /** A request of the client waits for something. One that is answered at once need not be counted. */
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

/** One name for a client that has many addresses: in IPv6 a network of 64 bits is what one subscriber gets. */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  if (!address.includes(':')) return address;
  const [, mapped] = /^::ffff:([\d.]+)$/i.exec(address) ?? [];
  return mapped ?? networkOf(address);
}

function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const first = groupsOf(head);
  const last = groupsOf(tail ?? '');
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  const groups = [...first, ...Array.from({ length: zeros }, () => 0), ...last];
  return groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':');
}

function groupsOf(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
