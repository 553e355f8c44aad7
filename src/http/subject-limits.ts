import { type Actor, ANONYMOUS } from '../access/access.ts';
import { clientOf } from '../access/client-address.ts';
import { labelOf } from '../access/identity.ts';
import { RegistryError } from '../oci/errors.ts';
import type { InProgress } from '../system/shared-table.ts';
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

/** What subjects have in progress on all threads of the process. */
export interface SubjectCounts {
  /**
   * Counts a request until it leaves, unless it is refused.
   * @param refusal decides by what the subject has in progress; it is called once, and must not keep its argument
   * @returns a function to call when the response is ready; a text if the request is refused: the reason
   */
  enter(
    subject: string,
    request: LimitedRequest,
    refusal: (inProgress: Readonly<InProgress>) => string | undefined,
  ): (() => void) | string;
}

/**
 * Limits what one subject has in progress on this node, so that an account that works from many machines leaves room for others.
 * Anonymous clients are counted by address (IPv6: by /64 network).
 */
export class SubjectLimits {
  readonly #limits: SubjectLimitSettings;
  readonly #counts: SubjectCounts;

  constructor(limits: SubjectLimitSettings, counts: SubjectCounts = new CountsOfOneThread()) {
    this.#limits = limits;
    this.#counts = counts;
  }

  /**
   * Counts a request until it leaves.
   * @returns a function to call when the response is ready
   * @throws RegistryError `too-many-requests`: the request is not counted
   */
  enter(request: LimitedRequest): () => void {
    const entered = this.#counts.enter(subjectOf(request), request, (others) => this.#refusal(request, others));
    if (typeof entered === 'string')
      throw new RegistryError('too-many-requests', `${entered}: finish some first, or try again`);
    return entered;
  }

  #refusal({ upload }: LimitedRequest, others: Readonly<InProgress>): string | undefined {
    const { requests, uploads, bytes } = this.#limits;
    if (requests > 0 && others.requests >= requests)
      return `you have ${others.requests} requests in progress of ${requests} allowed`;
    if (upload === undefined) return undefined;
    if (uploads > 0 && others.uploads >= uploads)
      return `you have ${others.uploads} uploads in progress of ${uploads} allowed`;
    // A single upload of any size is allowed, because it could never be sent otherwise.
    if (bytes > 0 && others.bytes > 0 && others.bytes + (upload.announced ?? 0) > bytes)
      return `your uploads in progress have ${others.bytes} bytes of ${bytes} allowed`;
    return undefined;
  }
}

class CountsOfOneThread implements SubjectCounts {
  readonly #requests = new Map<string, Set<LimitedRequest>>();

  enter(
    subject: string,
    request: LimitedRequest,
    refusal: (inProgress: Readonly<InProgress>) => string | undefined,
  ): (() => void) | string {
    const others = this.#requests.get(subject) ?? new Set<LimitedRequest>();
    const refused = refusal(new InProgressOf(others));
    if (refused !== undefined) return refused;
    others.add(request);
    this.#requests.set(subject, others);
    return (): void => {
      others.delete(request);
      if (others.size === 0 && this.#requests.get(subject) === others) this.#requests.delete(subject);
    };
  }
}

/** Sums are computed only if a limit needs them. */
class InProgressOf implements Readonly<InProgress> {
  readonly #requests: ReadonlySet<LimitedRequest>;

  constructor(requests: ReadonlySet<LimitedRequest>) {
    this.#requests = requests;
  }

  get requests(): number {
    return this.#requests.size;
  }

  get uploads(): number {
    return this.#uploads().length;
  }

  get bytes(): number {
    return this.#uploads().reduce((sum, { announced, stats }) => sum + (announced ?? stats.received), 0);
  }

  #uploads(): NonNullable<LimitedRequest['upload']>[] {
    return [...this.#requests].flatMap((each) => each.upload ?? []);
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
