import type { UploadId } from '../oci/names.ts';
import type { SessionMarks } from './session-marks.ts';
import type { Session } from './sessions.ts';

/** Sessions that are remembered. */
const MAX_BEGUN = 100_000;
/** Sessions that are looked at for each one that is added: more than one, so that those that are over do not pile up. */
const LOOKS = 2;

export interface BegunSessionsPorts {
  readonly marks: Pick<SessionMarks, 'hasEnded'>;
  /** @param createdAt milliseconds since 1970 */
  readonly isExpired: (createdAt: number) => boolean;
}

/**
 * The sessions that one of several threads has begun, only in order to count those that are open. Other threads may end them without
 * telling, so sessions that are over are found by looking at them, a few whenever one is added.
 */
export class BegunSessions {
  readonly #ports: BegunSessionsPorts;
  /** When each was created. */
  readonly #begun = new Map<UploadId, number>();
  /** Where the next look goes on. It also finds what is added behind it. */
  #hand: Iterator<[UploadId, number]> = this.#begun.entries();

  constructor(ports: BegunSessionsPorts) {
    this.#ports = ports;
  }

  add({ id, createdAt }: Pick<Session, 'id' | 'createdAt'>): void {
    if (this.#begun.size === MAX_BEGUN) this.#forgetOldest();
    this.#begun.set(id, createdAt);
    for (let looks = 0; looks < LOOKS; looks++) this.#lookAtNext();
  }

  delete(id: UploadId): void {
    this.#begun.delete(id);
  }

  /** Those that are remembered, some of which may be over. */
  get size(): number {
    return this.#begun.size;
  }

  /** Those that are open. */
  count(): number {
    for (const [id, createdAt] of this.#begun) if (this.#isOver(id, createdAt)) this.#begun.delete(id);
    return this.#begun.size;
  }

  #forgetOldest(): void {
    const [oldest] = this.#begun.keys();
    if (oldest !== undefined) this.#begun.delete(oldest);
  }

  #lookAtNext(): void {
    const next = this.#hand.next();
    if (next.done === true) {
      this.#hand = this.#begun.entries();
      return;
    }
    const [id, createdAt] = next.value;
    if (this.#isOver(id, createdAt)) this.#begun.delete(id);
  }

  #isOver(id: UploadId, createdAt: number): boolean {
    return this.#ports.marks.hasEnded(id) || this.#ports.isExpired(createdAt);
  }
}
