import type { Incarnation } from '../oci/names.ts';
import type { StagedPlace, StagedProgress, StagedWrite, StagedWrites } from '../storage/driver.ts';
import type { Exclusivity } from './exclusivity.ts';
import { placeAt, placeOf, type Session, type SessionLease } from './sessions.ts';
import type { UploadBody } from './upload-body.ts';

/** The bytes of a blob after the last one of the session, staged but not yet acknowledged. */
export interface Received {
  readonly place: StagedPlace;
  readonly progress: StagedProgress;
}

export interface LeasedUploadPorts {
  readonly driver: Pick<StagedWrites, 'stage' | 'takeOver'>;
  readonly newIncarnation: () => Incarnation;
}

/** One request's hold on an upload, and the session as this request last saved it. */
export class LeasedUpload {
  readonly #lease: SessionLease;
  readonly #ports: LeasedUploadPorts;
  readonly #signal: AbortSignal | undefined;
  #session: Session;
  /** Whether an earlier holder may still be writing where the session's bytes are staged. */
  #contested: boolean;
  /** Whether the session ended under this request's lease. */
  readonly #ended = Promise.withResolvers<boolean>();

  /** @param signal aborted when the client is gone */
  constructor(lease: SessionLease, ports: LeasedUploadPorts, signal?: AbortSignal) {
    this.#lease = lease;
    this.#ports = ports;
    this.#signal = signal;
    this.#session = lease.session;
    this.#contested = lease.takenOver;
  }

  get session(): Session {
    return this.#session;
  }

  /** Whether this request took the session over from one that did not let go. */
  get takenOver(): boolean {
    return this.#lease.takenOver;
  }

  /**
   * Stages a body behind the session's bytes. What it leaves there counts only once the session is saved. A body without any
   * byte touches nothing: after a kill the staged bytes may have become the blob already. undefined: there are none at all.
   */
  async receive(body: UploadBody): Promise<Received | undefined> {
    let place: StagedPlace | undefined;
    let write: StagedWrite | undefined;
    let progress: StagedProgress;
    try {
      for await (const chunk of body.chunks()) {
        place ??= await this.#firstPlace();
        write ??= await this.#stage(place);
        await write.write(chunk);
      }
      if (place === undefined || write === undefined) return stagedSoFar(this.#session);
      progress = await write.settle();
    } catch (error) {
      // Of a client that left while its bytes waited for room, what is durable counts when it comes back.
      const hasLeft = this.#signal?.aborted === true && error === this.#signal.reason;
      if (!hasLeft || write === undefined || place === undefined) {
        await write?.drop();
        throw error;
      }
      progress = await write.settle();
    }
    await write.release();
    return { place: placeAt(place.upload, place.inc, progress.state), progress };
  }

  /** Makes what was received a part of the session, durably. @throws RegistryError `upload-busy` */
  async saveProgress({ place, progress }: Received): Promise<void> {
    const { offset, state } = this.#session;
    if (progress.size === offset && place.state === state) return;
    const { digest: before, ...rest } = movedTo(this.#session, place);
    const { size, digest = size === offset ? before : undefined } = progress;
    await this.#save({ ...rest, offset: size, ...(digest === undefined ? {} : { digest }) });
  }

  /** Moves what is about to be committed to where no other request writes, if an earlier holder may still be writing here. */
  async takeExclusive(place: StagedPlace, size: number): Promise<StagedPlace> {
    if (!this.#contested) return place;
    const next = await this.#ports.driver.takeOver(place, size, this.#ports.newIncarnation());
    await this.#save(movedTo(this.#session, next));
    this.#contested = false;
    return next;
  }

  /**
   * May somebody else have linked the bytes that this request commits?
   * @param wasCommitted an earlier request of the session had committed them already
   */
  exclusivity(wasCommitted: boolean): Exclusivity {
    if (wasCommitted || this.takenOver) return { kind: 'shared' };
    return { kind: 'exclusive-if-ended', ended: this.#ended.promise };
  }

  async end(): Promise<void> {
    await this.#lease.end();
    this.#ended.resolve(true);
  }

  /** To be called in any case. */
  async release(): Promise<void> {
    this.#ended.resolve(false);
    await this.#lease.release();
  }

  async #firstPlace(): Promise<StagedPlace> {
    const place = placeOf(this.#session);
    // Bytes that an earlier holder may still be adding lie under a name that only it knows.
    if (place === undefined) return { upload: this.#session.id, inc: this.#ports.newIncarnation() };
    return await this.takeExclusive(place, this.#session.offset);
  }

  #stage(place: StagedPlace): Promise<StagedWrite> {
    const { offset, algorithm, digest } = this.#session;
    const keep = (state: string) => this.#save(movedTo(this.#session, placeAt(place.upload, place.inc, state)));
    return this.#ports.driver.stage(place, offset, algorithm, keep, digest, this.#signal);
  }

  async #save(next: Session): Promise<void> {
    await this.#lease.save(next);
    this.#session = next;
  }
}

function movedTo({ state: _, ...session }: Session, { inc, state }: StagedPlace): Session {
  return { ...session, inc, ...(state === undefined ? {} : { state }) };
}

function stagedSoFar(session: Session): Received | undefined {
  const place = placeOf(session);
  if (place === undefined || session.offset === 0) return undefined;
  const { offset, digest, state } = session;
  const known = { ...(digest === undefined ? {} : { digest }), ...(state === undefined ? {} : { state }) };
  return { place, progress: { size: offset, ...known } };
}
