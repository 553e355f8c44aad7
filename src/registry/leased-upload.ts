import type { Incarnation } from '../oci/names.ts';
import type { StagedPlace, StagedProgress, StagedWrite, StagedWrites } from '../storage/driver.ts';
import type { Exclusivity } from './exclusivity.ts';
import { placeAt, placeOf, type Session, type SessionLease } from './sessions.ts';
import type { UploadBody } from './upload-body.ts';

/** How far staging has got: the session's bytes and those of this request, which are not acknowledged yet. */
export interface Received {
  readonly place: StagedPlace;
  readonly progress: StagedProgress;
}

export interface LeasedUploadPorts {
  readonly driver: Pick<StagedWrites, 'stage' | 'takeOver'>;
  readonly newIncarnation: () => Incarnation;
}

/** An upload session under one request's lease, in the state this request last saved. */
export class LeasedUpload {
  readonly #lease: SessionLease;
  readonly #ports: LeasedUploadPorts;
  readonly #signal: AbortSignal | undefined;
  #session: Session;
  /** Whether an earlier lease holder may still be writing to the place where the session's bytes are staged. */
  #contested: boolean;
  /** Whether the session ended under this request's lease. */
  readonly #ended = Promise.withResolvers<boolean>();

  /** @param signal aborted when the client disconnects */
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

  /** Whether this request took the session over from one that never released it. */
  get takenOver(): boolean {
    return this.#lease.takenOver;
  }

  /**
   * Stages a body after the session's bytes. The new bytes count only once the session is saved. An empty body writes nothing,
   * because after a kill the staged bytes may already have been committed as the blob.
   * @returns undefined if neither the session nor the body has any bytes
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
      // The client disconnected while its bytes waited for space. It can resume from the bytes that are already durable.
      const hasLeft = this.#signal?.aborted === true && error === this.#signal.reason;
      if (!hasLeft || write === undefined || place === undefined) {
        await write?.drop();
        throw error;
      }
      progress = await settleOrDrop(write);
    }
    await write.release();
    return { place: placeAt(place.upload, place.inc, progress.state), progress };
  }

  /** Saves the received bytes in the session, durably. @throws RegistryError `upload-busy` */
  async saveProgress({ place, progress }: Received): Promise<void> {
    const { offset, state } = this.#session;
    if (progress.size === offset && place.state === state) return;
    const { digest: before, ...rest } = movedTo(this.#session, place);
    const { size, digest = size === offset ? before : undefined } = progress;
    await this.#save({ ...rest, offset: size, ...(digest === undefined ? {} : { digest }) });
  }

  /** Moves the staged bytes to a place where no other request writes, if an earlier lease holder may still be writing here. */
  async takeExclusive(place: StagedPlace, size: number): Promise<StagedPlace> {
    if (!this.#contested) return place;
    const next = await this.#ports.driver.takeOver(place, size, this.#ports.newIncarnation());
    await this.#save(movedTo(this.#session, next));
    this.#contested = false;
    return next;
  }

  /**
   * Whether another request may have linked the bytes that this request commits.
   * @param wasCommitted whether an earlier request of the session had already committed them
   */
  exclusivity(wasCommitted: boolean): Exclusivity {
    if (wasCommitted || this.takenOver) return { kind: 'shared' };
    return { kind: 'exclusive-if-ended', ended: this.#ended.promise };
  }

  async end(): Promise<void> {
    await this.#lease.end();
    this.#ended.resolve(true);
  }

  /** Must be called on every path. */
  async release(): Promise<void> {
    this.#ended.resolve(false);
    await this.#lease.release();
  }

  async #firstPlace(): Promise<StagedPlace> {
    const place = placeOf(this.#session);
    // A fresh name: an earlier lease holder that is still writing uses a name that only it knows.
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

/** A write that cannot settle must still give back its memory. */
async function settleOrDrop(write: StagedWrite): Promise<StagedProgress> {
  try {
    return await write.settle();
  } catch (error) {
    await write.drop();
    throw error;
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
