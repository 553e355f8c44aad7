import type { z } from 'zod';
import type { Incarnation, RepositoryName } from '../oci/names.ts';
import type { ReplicationSource } from './interface.ts';
import {
  type CollectionAnswer,
  type CollectionsAnswer,
  collectionAnswer,
  collectionsAnswer,
  formatWanted,
  type IdentityAnswer,
  identityAnswer,
  type ObjectsAnswer,
  objectsAnswer,
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

/** The source of a replica, over HTTP. Redirects are not followed, except to the bytes of a blob. */
export class HttpSource implements ReplicationSource {
  readonly url: string;
  readonly #settings: HttpSourceSettings;

  constructor(settings: HttpSourceSettings) {
    this.url = settings.url;
    this.#settings = settings;
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
    return this.#bytes(`/api/v1/replication/objects/${inc}`, {}, signal);
  }

  /** Opens a resource of `/v2/`, as any client does. @returns undefined for 404 @throws SourceAway, SourceRefused */
  pull(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<SourceBytes | undefined> {
    return this.#bytes(`/v2/${path}`, headers, signal);
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

  async #bytes(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<SourceBytes | undefined> {
    const stop = new AbortController();
    const all = signal === undefined ? stop.signal : AbortSignal.any([signal, stop.signal]);
    const first = await this.#request(path, headers, all);
    const location = first.headers.get('location');
    const response =
      first.status === 307 && location !== null ? await this.#follow(first, location, headers, all) : first;
    if (response.status === 404) return await discarded(response);
    if (response.status !== 200) throw await unexpected(response, path);
    const length = response.headers.get('content-length');
    return {
      size: length === null ? undefined : Number(length),
      headers: response.headers,
      chunks: chunksOf(response, stop),
    };
  }

  /** To the object store of the source, which gets no credentials. */
  async #follow(
    first: Response,
    location: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response> {
    await discarded(first);
    return await this.#fetch(new URL(location, this.url).href, headers, signal, ANSWER_WITHIN_MS);
  }

  async #ask<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal, wait = 0): Promise<T> {
    return await parsed(await this.#request(`/api/v1/replication${path}`, {}, signal, wait), schema);
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
      const reason = error instanceof Error ? error.message : String(error);
      throw new SourceSilent(`${this.url} does not answer: ${reason}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
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
  for await (const chunk of chunksOf(response, new AbortController())) {
    length += chunk.length;
    if (length > MAX_ANSWER_BYTES) throw new SourceRefused(`the answer of ${response.url} is too long`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // The schema refuses it.
    return undefined;
  }
}

/** @param stop ends the request when the bytes stand still. @throws SourceAway */
async function* chunksOf(response: Response, stop: AbortController): AsyncGenerator<Uint8Array> {
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
