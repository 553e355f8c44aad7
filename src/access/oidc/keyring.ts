import type { JWK } from 'jose';
import { LRUCache } from 'lru-cache';
import type { Issuer } from '../rules/issuer.ts';
import { CachedDocument } from './cached-document.ts';
import { type KeySet, keySetOf } from './key-set.ts';

/** The keys of one issuer. */
export interface IssuerKeys {
  /** The keys in use, loaded again if they are not fresh. @returns undefined if there are none, or if they are too old */
  current(): Promise<KeySet | undefined>;
  /** Searches for newer keys, because these lack one. @returns undefined if there are none, or if the last search is too recent */
  otherThan(keys: KeySet): Promise<KeySet | undefined>;
}

/** Keys for a thread that may have some version of them already. */
export type KeysReply =
  | { readonly kind: 'none' }
  | { readonly kind: 'same' }
  | { readonly kind: 'other'; readonly version: number; readonly members: readonly JWK[] };

/** The keys of issuers for other threads. @param known version of the keys that the thread has; 0: none */
export interface KeyService {
  readonly current: (issuer: Issuer, known: number) => Promise<KeysReply>;
  /** Like `current`, but searches for newer keys first. */
  readonly newest: (issuer: Issuer, known: number) => Promise<KeysReply>;
}

export interface KeyringPorts {
  /** @throws IssuerProblem */
  readonly load: (issuer: Issuer, signal: AbortSignal) => Promise<KeySet>;
  /** The monotonic clock, in milliseconds. */
  readonly monotonic: () => number;
  readonly logger: KeyLog;
}

interface KeyLog {
  readonly info: (fields: object, message: string) => void;
  readonly warn: (fields: object, message: string) => void;
  readonly error: (fields: object, message: string) => void;
}

/** How long the keys of an issuer are used before they are loaded again. Reading a file is cheap. */
const FRESH_MS = 10 * 60_000;
const FRESH_FILE_MS = 10_000;
/** Of the current rules, and of earlier ones that a thread may still have. The keys of others are loaded again when they are needed. */
const MAX_ISSUERS = 1_000;

/** The keys of all issuers, loaded once for all threads of the process. */
export class Keyring {
  readonly #ports: KeyringPorts;
  readonly #issuers = new LRUCache<string, CachedDocument<KeySet>>({ max: MAX_ISSUERS });
  readonly #versions = new WeakMap<KeySet, number>();
  #lastVersion = 0;

  constructor(ports: KeyringPorts) {
    this.#ports = ports;
  }

  of(issuer: Issuer): IssuerKeys {
    return this.#cached(issuer);
  }

  get service(): KeyService {
    return {
      current: async (issuer, known) => this.#reply(await this.#cached(issuer).current(), known),
      newest: async (issuer, known) => this.#reply(await this.#cached(issuer).newest(), known),
    };
  }

  #cached(issuer: Issuer): CachedDocument<KeySet> {
    const name = JSON.stringify(issuer);
    const cached = this.#issuers.get(name) ?? this.#open(issuer);
    this.#issuers.set(name, cached);
    return cached;
  }

  #reply(keys: KeySet | undefined, known: number): KeysReply {
    if (keys === undefined) return { kind: 'none' };
    const version = this.#versions.get(keys) ?? ++this.#lastVersion;
    this.#versions.set(keys, version);
    return version === known ? { kind: 'same' } : { kind: 'other', version, members: keys.members };
  }

  #open(issuer: Issuer): CachedDocument<KeySet> {
    const { load, monotonic, logger } = this.#ports;
    return new CachedDocument({
      load: (signal) => load(issuer, signal),
      freshMs: issuer.jwks.kind === 'file' ? FRESH_FILE_MS : FRESH_MS,
      monotonic,
      onFailure: (reason, usesLast) => {
        const effect = usesLast ? 'its last keys stay in use' : 'its tokens are refused';
        logger.warn({ issuer: issuer.name, reason }, `the keys of an issuer cannot be loaded: ${effect}`);
      },
      onRecovery: () => logger.info({ issuer: issuer.name }, 'the keys of an issuer are loaded again'),
      onDefect: (error) => logger.error({ issuer: issuer.name, err: error }, 'loading the keys of an issuer failed'),
    });
  }
}

/** The keys of one issuer, which another thread loads. They are sent to this thread only when they have changed. */
export class RemoteKeys implements IssuerKeys {
  readonly #issuer: Issuer;
  readonly #service: KeyService;
  #known: { readonly version: number; readonly keys: KeySet } | undefined;

  constructor(issuer: Issuer, service: KeyService) {
    this.#issuer = issuer;
    this.#service = service;
  }

  async current(): Promise<KeySet | undefined> {
    return this.#take(await this.#service.current(this.#issuer, this.#version));
  }

  async otherThan(keys: KeySet): Promise<KeySet | undefined> {
    const found = this.#take(await this.#service.newest(this.#issuer, this.#version));
    return found === keys ? undefined : found;
  }

  get #version(): number {
    return this.#known?.version ?? 0;
  }

  #take(reply: KeysReply): KeySet | undefined {
    switch (reply.kind) {
      case 'none':
        return undefined;
      case 'same':
        return this.#known?.keys;
      case 'other': {
        const { version, members } = reply;
        // A reply to an earlier question may arrive while this thread has the same keys already.
        if (this.#known?.version !== version) this.#known = { version, keys: keySetOf(members) };
        return this.#known.keys;
      }
    }
  }
}
