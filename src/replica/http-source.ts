import type { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import type { ReplicationSource } from './interface.ts';
import {
  type CollectionAnswer,
  type CollectionsAnswer,
  collectionAnswer,
  collectionsAnswer,
  formatIntroduction,
  formatWanted,
  type IdentityAnswer,
  type Introduction,
  identityAnswer,
  type ObjectsAnswer,
  objectsAnswer,
  REPLICA_HEADER,
  type RepositoriesAnswer,
  repositoriesAnswer,
  type SlotsAnswer,
  type StoreLog,
  type StoreLogAnswer,
  slotsAnswer,
  storeLogAnswer,
  type WantedSlots,
} from './protocol.ts';
import { SourceAway, SourceRefused, SourceSilent } from './source-errors.ts';

/** How long the source may take to answer, beside the time that it was asked to wait, in milliseconds. */
const ANSWER_WITHIN_MS = 30_000;
/** A stream of bytes that stands still for this long is given up. */
const STALLED_MS = 60_000;
/** The largest answer that is read: more than the limits of the protocol allow, because a single slot may be large. */
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;

export interface HttpSourceSettings {
  /** Without a slash at its end. */
  readonly url: string;
  /** Value of the header Authorization; undefined: none. */
  readonly authorization: string | undefined;
  /** Certificates (PEM) that are trusted instead of the system's. */
  readonly ca: string | undefined;
}

/** Bytes that are read from the source. */
export interface SourceBytes {
  /** As announced; undefined if it was not. */
  readonly size: number | undefined;
  readonly headers: Headers;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The source of a replica, over HTTP. Redirects are not followed, except to the bytes of an object or blob in the source's store. */
export class HttpSource implements ReplicationSource {
  readonly url: string;
  readonly #settings: HttpSourceSettings;
  #introduce: (() => Introduction) | undefined;

  constructor(settings: HttpSourceSettings) {
    this.url = settings.url;
    this.#settings = settings;
  }

  /** From now on requests say which replica copies, and how far it is; undefined: they do not. */
  introduce(introduce: (() => Introduction) | undefined): void {
    this.#introduce = introduce;
  }

  identity(signal?: AbortSignal): Promise<IdentityAnswer> {
    return this.#ask('', identityAnswer, signal);
  }

  slots(wanted: readonly WantedSlots[], signal?: AbortSignal): Promise<SlotsAnswer> {
    return this.#ask(`/slots?${queryOf({ of: formatWanted(wanted) })}`, slotsAnswer, signal);
  }

  storeLog(log: StoreLog, after: number, wait: number, signal?: AbortSignal): Promise<StoreLogAnswer> {
    const seconds = Math.floor(wait / 1000);
    return this.#ask(`/logs/${log}?${queryOf({ after, wait: `${seconds}s` })}`, storeLogAnswer, signal, wait);
  }

  repositories(after: RepositoryName | undefined, signal?: AbortSignal): Promise<RepositoriesAnswer> {
    return this.#ask(`/repositories?${queryOf({ after })}`, repositoriesAnswer, signal);
  }

  objects(wanted: readonly Incarnation[], signal?: AbortSignal): Promise<ObjectsAnswer> {
    return this.#ask(`/objects?${queryOf({ of: wanted.join(',') })}`, objectsAnswer, signal);
  }

  collections(after: Incarnation | undefined, signal?: AbortSignal): Promise<CollectionsAnswer> {
    return this.#ask(`/collections?${queryOf({ after })}`, collectionsAnswer, signal);
  }

  async collection(epoch: Incarnation, signal?: AbortSignal): Promise<CollectionAnswer | undefined> {
    const response = await this.#request(`/api/v1/replication/collections/${epoch}`, {}, signal);
    return response.status === 404 ? await discarded(response) : await parsed(response, collectionAnswer);
  }

  /** Opens an object of the source. @returns undefined if it does not exist @throws SourceAway, SourceRefused */
  open(inc: Incarnation, signal?: AbortSignal): Promise<SourceBytes | undefined> {
    return this.#stored(`/api/v1/replication/objects/${inc}`, signal);
  }

  /** Opens a blob of `/v2/`, as any client does. @returns undefined for 404 @throws SourceAway, SourceRefused */
  pullBlob(repo: RepositoryName, digest: Digest, signal?: AbortSignal): Promise<SourceBytes | undefined> {
    return this.#stored(`/v2/${repo}/blobs/${digest}`, signal);
  }

  /** Opens a manifest of `/v2/`, as any client does. @returns undefined for 404 @throws SourceAway, SourceRefused */
  async pullManifest(repo: RepositoryName, reference: string, signal?: AbortSignal): Promise<SourceBytes | undefined> {
    const path = `/v2/${repo}/manifests/${reference}`;
    const stop = stopOf(signal);
    return await bytesOf(await this.#request(path, { accept: '*/*' }, stop.signal), path, stop);
  }

  /** HEAD of a resource of `/v2/`. @returns undefined for 404 @throws SourceAway, SourceRefused */
  async resolve(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Headers | undefined> {
    const response = await this.#request(`/v2/${path}`, headers, signal, 0, 'HEAD');
    if (response.status === 404) return undefined;
    if (response.status !== 200) throw await unexpected(response, path);
    return response.headers;
  }

  /** Opens what the source may have in an object store, to which it redirects. */
  async #stored(path: string, signal?: AbortSignal): Promise<SourceBytes | undefined> {
    const stop = stopOf(signal);
    const first = await this.#request(path, {}, stop.signal);
    const location = first.headers.get('location');
    const response = first.status === 307 && location !== null ? await this.#follow(first, location, stop) : first;
    return await bytesOf(response, path, stop);
  }

  /** To the object store of the source, which gets no credentials. */
  async #follow(first: Response, location: string, stop: Stop): Promise<Response> {
    await discarded(first);
    const target = URL.parse(location, this.url);
    // Bun's fetch also reads files of this machine (file:) and buckets with this machine's credentials (s3:).
    const isAllowed = target?.protocol === 'https:' || (target?.protocol === 'http:' && this.url.startsWith('http:'));
    if (target === null || !isAllowed)
      throw new SourceRefused(`the source redirects to ${target?.protocol ?? 'no valid URL'}, which is not followed`);
    return await this.#fetch(target.href, {}, stop.signal, ANSWER_WITHIN_MS);
  }

  async #ask<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal, wait = 0): Promise<T> {
    const introduction = this.#introduce?.();
    const headers = introduction === undefined ? {} : { [REPLICA_HEADER]: formatIntroduction(introduction) };
    return await parsed(await this.#request(`/api/v1/replication${path}`, headers, signal, wait), schema);
  }

  #request(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    wait = 0,
    method: 'GET' | 'HEAD' = 'GET',
  ): Promise<Response> {
    const { authorization } = this.#settings;
    const credentials = authorization === undefined ? {} : { authorization };
    return this.#fetch(`${this.url}${path}`, { ...headers, ...credentials }, signal, ANSWER_WITHIN_MS + wait, method);
  }

  /** @param within until the head of the response, in milliseconds */
  async #fetch(
    url: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
    within: number,
    method: 'GET' | 'HEAD' = 'GET',
  ): Promise<Response> {
    const { ca } = this.#settings;
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(new Error(`no answer within ${within / 1000} s`)), within);
    try {
      return await fetch(url, {
        method,
        headers,
        redirect: 'manual',
        signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
        ...(ca === undefined ? {} : { tls: { ca } }),
      });
    } catch (error) {
      signal?.throwIfAborted();
      throw new SourceSilent(`${this.url} does not answer: ${reasonOf(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Bun adds advice for programmers to a system's code, which says enough: `ECONNREFUSED: … Is the computer able to access the url?` */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message } = error;
  return 'code' in error && typeof error.code === 'string' && message.startsWith(`${error.code}: `)
    ? error.code
    : message;
}

/** Ends a request: when its caller does, or when its bytes stand still. */
interface Stop {
  readonly signal: AbortSignal;
  readonly abort: () => void;
}

function stopOf(signal: AbortSignal | undefined): Stop {
  const own = new AbortController();
  const all = signal === undefined ? own.signal : AbortSignal.any([signal, own.signal]);
  return { signal: all, abort: () => own.abort() };
}

/** @returns undefined for 404 */
async function bytesOf(response: Response, path: string, stop: Stop): Promise<SourceBytes | undefined> {
  if (response.status === 404) return await discarded(response);
  if (response.status !== 200) throw await unexpected(response, path);
  const length = response.headers.get('content-length');
  return {
    size: length === null ? undefined : Number(length),
    headers: response.headers,
    chunks: chunksOf(response, stop),
  };
}

function queryOf(fields: Readonly<Record<string, string | number | undefined>>): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) query.set(name, String(value));
  return query.toString();
}

async function parsed<T>(response: Response, schema: z.ZodType<T>): Promise<T> {
  if (response.status !== 200) throw await unexpected(response, new URL(response.url).pathname);
  const result = schema.safeParse(jsonOf(await readAll(response)));
  if (result.success) return result.data;
  throw new SourceRefused(
    `the answer of ${response.url} is not that of a Marina of this version: use the same version on both sides`,
  );
}

async function readAll(response: Response): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunksOf(response, stopOf(undefined))) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new SourceRefused(`the answer of ${response.url} is too long`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @param stop ends the request when the bytes stand still. @throws SourceAway */
async function* chunksOf(response: Response, stop: Pick<Stop, 'abort'>): AsyncGenerator<Uint8Array> {
  const { body } = response;
  if (body === null) return;
  const reader = body.getReader();
  let isComplete = false;
  try {
    for (;;) {
      const { promise: stalled, reject } = Promise.withResolvers<never>();
      const timer = setTimeout(() => reject(new Error(`no byte for ${STALLED_MS / 1000} s`)), STALLED_MS);
      try {
        const { done, value } = await Promise.race([reader.read(), stalled]);
        isComplete = done;
        if (done) return;
        yield value;
      } finally {
        clearTimeout(timer);
      }
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SourceAway(`an answer of the source broke off: ${reason}`, { cause: error });
  } finally {
    // Also when the reader of the chunks stops early.
    if (!isComplete) stop.abort();
    reader.releaseLock();
  }
}

async function unexpected(response: Response, path: string): Promise<SourceAway | SourceRefused> {
  const { status } = response;
  const said = messageIn(jsonOf(await readAll(response)));
  const text = `the source answers ${status} to ${path}${said === undefined ? '' : `: ${said}`}`;
  if (status === 401 || status === 403)
    return new SourceRefused(
      `${text}; REPLICA_USERNAME and REPLICA_PASSWORD_FILE must be an account of the source with the right admin`,
    );
  return status >= 500 || status === 429 ? new SourceAway(text) : new SourceRefused(text);
}

const MAX_SHOWN = 300;

function messageIn(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null || !('errors' in answer) || !Array.isArray(answer.errors)) return;
  const [first]: readonly unknown[] = answer.errors;
  if (typeof first !== 'object' || first === null || !('message' in first)) return undefined;
  return String(first.message)
    .replace(/\p{Cc}+/gu, ' ')
    .slice(0, MAX_SHOWN);
}

async function discarded(response: Response): Promise<undefined> {
  await response.body?.cancel();
  return undefined;
}
