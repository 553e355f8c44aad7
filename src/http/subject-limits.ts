import { type Actor, ANONYMOUS } from '../access/access.ts';
import { clientOf } from '../access/client-address.ts';
import { labelOf } from '../access/identity.ts';
import { RegistryError } from '../oci/errors.ts';
import { contentLength } from './body.ts';
import type { RequestContext } from './context.ts';
import type { Route } from './route.ts';

/** For each subject; 0: no limit. */
export interface SubjectLimitSettings {
  /** Requests whose response is not ready. */
  readonly requests: number;
  /** Those of them that send bytes of blobs. */
  readonly uploads: number;
  /** Bytes that these have announced or, without a length, sent until now. */
  readonly bytes: number;
}

/** A request, as far as the limits depend on it. */
export interface LimitedRequest {
  readonly actor: Actor;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
  /** The bytes that it sends; undefined if it sends none of a blob. */
  readonly upload:
    | { readonly announced: number | undefined; readonly stats: { readonly received: number } }
    | undefined;
}

/**
 * Limits what one subject has in progress on this node, so that a single account leaves room for others, from however many machines
 * it works. An anonymous subject is its client's address (of IPv6 the /64 network).
 */
export class SubjectLimits {
  readonly #limits: SubjectLimitSettings;
  readonly #requests = new Map<string, Set<LimitedRequest>>();

  constructor(limits: SubjectLimitSettings) {
    this.#limits = limits;
  }

  /**
   * Counts a request until it leaves.
   * @returns a function for when the response is ready
   * @throws RegistryError `too-many-requests`: the request is not counted
   */
  enter(request: LimitedRequest): () => void {
    const subject = subjectOf(request);
    const others = this.#requests.get(subject) ?? new Set();
    const refusal = this.#refusal(request, others);
    if (refusal !== undefined)
      throw new RegistryError('too-many-requests', `${refusal}: finish some first, or try again`);
    others.add(request);
    this.#requests.set(subject, others);
    return () => {
      others.delete(request);
      if (others.size === 0 && this.#requests.get(subject) === others) this.#requests.delete(subject);
    };
  }

  #refusal({ upload }: LimitedRequest, others: ReadonlySet<LimitedRequest>): string | undefined {
    const { requests, uploads, bytes } = this.#limits;
    if (requests > 0 && others.size >= requests)
      return `you have ${others.size} requests in progress of ${requests} allowed`;
    if (upload === undefined || (uploads === 0 && bytes === 0)) return undefined;
    const sending = [...others].flatMap((each) => each.upload ?? []);
    if (uploads > 0 && sending.length >= uploads)
      return `you have ${sending.length} uploads in progress of ${uploads} allowed`;
    const inFlight = sending.reduce((sum, { announced, stats }) => sum + (announced ?? stats.received), 0);
    // Alone, an upload of any size is let in: it could never be sent otherwise.
    if (bytes > 0 && inFlight > 0 && inFlight + (upload.announced ?? 0) > bytes)
      return `your uploads in progress have ${inFlight} bytes of ${bytes} allowed`;
    return undefined;
  }
}

/** @throws RegistryError `size-mismatch` if Content-Length is no number */
export function limitedRequest(
  { kind }: Route,
  { actor, client, stats, request }: Pick<RequestContext, 'actor' | 'client' | 'stats' | 'request'>,
): LimitedRequest {
  const sendsBlob = kind === 'upload-chunk' || kind === 'upload-close' || kind === 'upload-monolithic';
  const announced = sendsBlob ? contentLength(request) : 0;
  return { actor, client, upload: announced === 0 ? undefined : { announced, stats } };
}

/** A token server writes no subject into the tokens of anonymous clients. */
const NOBODY: ReadonlySet<string> = new Set([ANONYMOUS.id, labelOf({ kind: 'token', subject: '' })]);

/** No label of an actor has a space. */
function subjectOf({ actor, client }: LimitedRequest): string {
  return NOBODY.has(actor.id) ? `address ${clientOf(client)}` : actor.id;
}
