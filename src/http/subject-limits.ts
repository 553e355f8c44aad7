import { type Actor, ANONYMOUS } from '../access/access.ts';
import { clientOf } from '../access/client-address.ts';
import { labelOf } from '../access/identity.ts';
import { RegistryError } from '../oci/errors.ts';
import { contentLength } from './body.ts';
import type { RequestContext } from './context.ts';
import type { Route } from './route.ts';

/** Limits for each subject; 0 means no limit. */
export interface SubjectLimitSettings {
  /** Requests whose response is not ready. */
  readonly requests: number;
  /** Requests among these that send bytes of blobs. */
  readonly uploads: number;
  /** Bytes that these have announced or, without a length, sent so far. */
  readonly bytes: number;
}

/** The parts of a request that the limits depend on. */
export interface LimitedRequest {
  readonly actor: Actor;
  /** Address of the client, as far as it is known. */
  readonly client: string | undefined;
  /** The bytes of a blob that it sends; undefined if it sends none. */
  readonly upload:
    | { readonly announced: number | undefined; readonly stats: { readonly received: number } }
    | undefined;
}

/**
 * Limits what one subject has in progress on this node, so that an account that works from many machines leaves room for others.
 * Anonymous clients are counted by address (IPv6: by /64 network).
 */
export class SubjectLimits {
  readonly #limits: SubjectLimitSettings;
  readonly #requests = new Map<string, Set<LimitedRequest>>();

  constructor(limits: SubjectLimitSettings) {
    this.#limits = limits;
  }

  /**
   * Counts a request until it leaves.
   * @returns a function to call when the response is ready
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
    // A single upload of any size is allowed, because it could never be sent otherwise.
    if (bytes > 0 && inFlight > 0 && inFlight + (upload.announced ?? 0) > bytes)
      return `your uploads in progress have ${inFlight} bytes of ${bytes} allowed`;
    return undefined;
  }
}

/** @throws RegistryError `size-mismatch` if Content-Length is not a number */
export function limitedRequest(
  { kind }: Route,
  { actor, client, stats, request }: Pick<RequestContext, 'actor' | 'client' | 'stats' | 'request'>,
): LimitedRequest {
  const sendsBlob = kind === 'upload-chunk' || kind === 'upload-close' || kind === 'upload-monolithic';
  const announced = sendsBlob ? contentLength(request) : 0;
  return { actor, client, upload: announced === 0 ? undefined : { announced, stats } };
}

/** Token servers leave the subject empty in tokens of anonymous clients. */
const ANONYMOUS_ACTORS: ReadonlySet<string> = new Set([ANONYMOUS.id, labelOf({ kind: 'token', subject: '' })]);

/** No label of an actor has a space. */
function subjectOf({ actor, client }: LimitedRequest): string {
  return ANONYMOUS_ACTORS.has(actor.id) ? `address ${clientOf(client)}` : actor.id;
}
