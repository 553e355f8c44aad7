import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import { isAlgorithm, parseDigest } from '../oci/digest.ts';
import { parseIncarnation, parseRepositoryName, parseUploadId, type UploadId } from '../oci/names.ts';
import type { StorageDriver } from '../storage/driver.ts';
import { sessionKey, UPLOADS, uploadPrefix } from '../storage/paths.ts';
import type { Session, SessionLease, SessionStore } from './sessions.ts';

/** Sessions kept in memory in front of their files. */
const CACHED = 10_000;

function optional<T>(parse: (text: string) => T | undefined): z.ZodType<T | undefined, string | undefined> {
  return z
    .string()
    .transform((text) => parse(text))
    .optional();
}

const record = z.object({
  id: optional(parseUploadId),
  repo: optional(parseRepositoryName),
  actor: z.string(),
  createdAt: z.number(),
  algorithm: z.string().refine(isAlgorithm),
  offset: z.int().nonnegative(),
  digest: optional(parseDigest),
  inc: optional(parseIncarnation),
});

/** Sessions as small objects beside their staged bytes, for the one process that holds the data folder. */
export class FileSessions implements SessionStore {
  readonly #driver: StorageDriver;
  readonly #cache = new LRUCache<UploadId, Session>({ max: CACHED });
  readonly #leased = new Set<UploadId>();
  #open = 0;

  constructor(driver: StorageDriver) {
    this.#driver = driver;
  }

  /** Counts what an earlier process left open. */
  async start(): Promise<void> {
    for await (const _ of this.all()) this.#open++;
  }

  async create(session: Session): Promise<void> {
    this.#cache.set(session.id, session);
    await this.#driver.put(sessionKey(session.id), encode(session), { durable: false });
    this.#open++;
  }

  async load(id: UploadId): Promise<Session | undefined> {
    return this.#cache.get(id) ?? (await this.#read(id));
  }

  async lease(id: UploadId): Promise<SessionLease | 'unknown' | 'busy'> {
    if (this.#leased.has(id)) return 'busy';
    // Taken before the first wait, so that no second request comes between.
    this.#leased.add(id);
    let session: Session | undefined;
    try {
      session = await this.load(id);
    } finally {
      if (session === undefined) this.#leased.delete(id);
    }
    if (session === undefined) return 'unknown';
    return {
      session,
      save: async (next) => {
        await this.#driver.put(sessionKey(id), encode(next));
        this.#cache.set(id, next);
      },
      end: () => this.#end(id),
      release: () => {
        this.#leased.delete(id);
      },
    };
  }

  async *all(): AsyncIterable<Session> {
    for await (const { key } of this.#driver.list(UPLOADS)) {
      const id = key.endsWith('/session') ? parseUploadId(key.slice(UPLOADS.length, -'/session'.length)) : undefined;
      const session = id === undefined ? undefined : await this.load(id);
      if (session !== undefined) yield session;
    }
  }

  count(): number {
    return this.#open;
  }

  async #end(id: UploadId): Promise<void> {
    await this.#driver.deleteAll(uploadPrefix(id));
    this.#cache.delete(id);
    this.#open--;
  }

  async #read(id: UploadId): Promise<Session | undefined> {
    const bytes = await this.#driver.read(sessionKey(id));
    const session = bytes === undefined ? undefined : decode(bytes);
    if (session?.id !== id) return undefined;
    this.#cache.set(id, session);
    return session;
  }
}

function encode(session: Session): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(session));
}

/** undefined for a record that a power cut tore: it held no bytes yet, the client begins again. */
function decode(bytes: Uint8Array): Session | undefined {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
  const parsed = record.safeParse(json);
  if (!parsed.success) return undefined;
  const { id, repo, digest, inc, ...rest } = parsed.data;
  if (id === undefined || repo === undefined) return undefined;
  return { ...rest, id, repo, ...(digest === undefined ? {} : { digest }), ...(inc === undefined ? {} : { inc }) };
}
