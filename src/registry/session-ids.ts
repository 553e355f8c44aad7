import { createHmac, randomBytes } from 'node:crypto';
import type { Algorithm } from '../oci/digest.ts';
import type { UploadId } from '../oci/names.ts';
import type { Session, SessionOwner } from './sessions.ts';

/** The values a session id carries. */
export interface SessionClaims {
  /** Milliseconds. */
  readonly createdAt: number;
  readonly algorithm: Algorithm;
}

/** Returns `size` unpredictable bytes. */
export type RandomBytes = (size: number) => Buffer;

const TIME_BYTES = 6;
const RANDOM_END = 12;
const SHA512_FLAG = 0x01;

/**
 * Self-validating session ids. A session without bytes needs no stored record, which saves most pushes a write, and such a session
 * survives even a power cut. The ids are UUIDs of version 8 (RFC 9562, custom layout): 48 bits of time, random bits including one
 * bit for the algorithm, and a 32-bit MAC over these that binds the id to the store, the repository and the actor. The MAC tells
 * ids of other owners and stores apart. It is not a secret that protects anything: any client that may push can get an id.
 */
export class SessionIds {
  readonly #store: string;
  readonly #random: RandomBytes;

  /** @param store the store's ULID */
  constructor(store: string, random: RandomBytes = randomBytes) {
    this.#store = store;
    this.#random = random;
  }

  /** A new session. It has no bytes, so its id carries all there is to know of it. */
  begin(owner: SessionOwner, claims: SessionClaims): Session {
    const { repo, actor } = owner;
    return { id: this.mint(owner, claims), repo, actor, ...claims, offset: 0 };
  }

  mint(owner: SessionOwner, { createdAt, algorithm }: SessionClaims): UploadId {
    const bytes = Buffer.alloc(16);
    bytes.writeUIntBE(createdAt, 0, TIME_BYTES);
    this.#random(RANDOM_END - TIME_BYTES).copy(bytes, TIME_BYTES);
    bytes[6] = 0x80 | ((bytes[6] ?? 0) & 0x0f);
    bytes[7] = ((bytes[7] ?? 0) & ~SHA512_FLAG) | (algorithm === 'sha512' ? SHA512_FLAG : 0);
    bytes[8] = 0x80 | ((bytes[8] ?? 0) & 0x3f);
    this.#seal(bytes, owner).copy(bytes, RANDOM_END);
    return format(bytes);
  }

  /** undefined for ids that this store did not mint for that owner. */
  read(id: UploadId, owner: SessionOwner): SessionClaims | undefined {
    const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
    if (!this.#seal(bytes, owner).equals(bytes.subarray(RANDOM_END))) return undefined;
    return { createdAt: createdAtOf(id), algorithm: ((bytes[7] ?? 0) & SHA512_FLAG) === 0 ? 'sha256' : 'sha512' };
  }

  #seal(bytes: Buffer, { repo, actor }: SessionOwner): Buffer {
    const seal = createHmac('sha256', this.#store).update(bytes.subarray(0, RANDOM_END)).update(`${repo}\n${actor}`);
    return seal.digest().subarray(0, 16 - RANDOM_END);
  }
}

/** When the id was minted, in milliseconds. */
export function createdAtOf(id: UploadId): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function format(bytes: Buffer): UploadId {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-') as UploadId;
}
