import type { Actor } from '../access/access.ts';
import { type Algorithm, algorithmOf, digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, Incarnation, RepositoryName, UploadId } from '../oci/names.ts';
import { digestOfObject } from '../storage/digest-object.ts';
import type { StagedPlace } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import { EXCLUSIVE, type Exclusivity, isExclusive } from './exclusivity.ts';
import { LeasedUpload, type Received } from './leased-upload.ts';
import type { Linking } from './linking.ts';
import type { RegistryPorts } from './ports.ts';
import { placeOf, type Session, type SessionOwner, uploadBusy } from './sessions.ts';
import { type ContentRange, readAll, type UploadBody } from './upload-body.ts';

/** Blobs whose length is known to be at most this are gathered in memory and written at once. */
const GATHER_BYTES = 256 * 1024;

/** Where an upload goes and who sends it. */
export interface Pusher {
  readonly repo: RepositoryName;
  readonly actor: Actor;
  /** Aborted when the client is gone: its bytes do not wait for room any more. */
  readonly signal?: AbortSignal;
}

export class Uploads {
  readonly #ports: RegistryPorts;
  readonly #linking: Linking;

  constructor(ports: RegistryPorts, linking: Linking) {
    this.#ports = ports;
    this.#linking = linking;
  }

  start(pusher: Pusher, algorithm: Algorithm): Promise<Session> {
    return this.#ports.sessions.create(ownerOf(pusher), algorithm);
  }

  /** @throws RegistryError `upload-unknown` */
  async status(id: UploadId, pusher: Pusher): Promise<Session> {
    const session = await this.#ports.sessions.load(id, ownerOf(pusher));
    if (session === undefined) throw uploadUnknown();
    return session;
  }

  /** @throws RegistryError `upload-unknown`, `upload-busy` */
  async cancel(id: UploadId, pusher: Pusher): Promise<void> {
    await this.#withHold(id, pusher, async (hold) => {
      await hold.end();
      await this.#discardStaged(hold.session);
    });
  }

  /**
   * PATCH: adds bytes to the session. Of a body that breaks off, what came is kept and reported by `status`.
   * @throws RegistryError `upload-unknown`, `upload-busy`, `upload-out-of-order`, `size-mismatch`, `upload-interrupted`,
   * `upload-stalled`, `storage-full`
   */
  append(id: UploadId, pusher: Pusher, body: UploadBody, range: ContentRange | undefined): Promise<Session> {
    return this.#withHold(id, pusher, async (hold) => {
      checkOrder(hold.session, range);
      const received = await hold.receive(body);
      if (received !== undefined) await hold.saveProgress(received);
      throwBroken(body, received);
      return hold.session;
    });
  }

  /**
   * PUT: takes the last bytes, if any, verifies the whole and links it. When the digest is another one, nothing changes.
   * @throws RegistryError as `append`, and `digest-mismatch`
   */
  close(
    id: UploadId,
    pusher: Pusher,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
  ): Promise<void> {
    return this.#withHold(id, pusher, async (hold) => {
      const { session } = hold;
      checkOrder(session, range);
      if (session.offset === 0 && body.length !== undefined && body.length <= GATHER_BYTES) {
        await this.#storeGathered(pusher, digest, body);
        await endLinked(hold);
        // A request that broke off may have left a beginning there.
        await this.#discardStaged(session);
      } else {
        await this.#storeStaged(hold, pusher, digest, body);
        await endLinked(hold);
      }
    });
  }

  /** The single POST with the whole blob. @throws RegistryError as `close` */
  async monolithic(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    try {
      if (body.length !== undefined && body.length <= GATHER_BYTES) await this.#storeGathered(pusher, digest, body);
      else await this.#storeAtOnce(pusher, digest, body);
    } catch (error) {
      throw isEnded(error) ? unavailable(error) : error;
    }
  }

  async #storeAtOnce(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    const { id } = await this.start(pusher, algorithmOf(digest));
    try {
      await this.close(id, pusher, digest, body, undefined);
    } catch (error) {
      // Nobody was told of this session, so nobody can go on with it.
      await this.cancel(id, pusher).catch(ignoreEnded);
      throw error;
    }
  }

  async #storeGathered(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    await this.#storeBytes(pusher, digest, await readAll(body));
  }

  async #storeBytes({ repo, actor }: Pusher, digest: Digest, bytes: Uint8Array): Promise<void> {
    const found = digestOf(algorithmOf(digest), bytes);
    if (found !== digest) throw mismatch(digest, found);
    const inc = this.#ports.newIncarnation();
    const { durable } = await this.#ports.driver.write(dataKey(inc), bytes);
    await this.#linking.linkUploaded(repo, { digest, size: bytes.length, inc, exclusivity: EXCLUSIVE, durable }, actor);
  }

  async #storeStaged(hold: LeasedUpload, pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    const received = await hold.receive(body);
    if (received === undefined) {
      throwBroken(body, received);
      await this.#storeBytes(pusher, digest, new Uint8Array());
      return;
    }
    if (body.broken !== undefined || received.progress.failure !== undefined) {
      await hold.saveProgress(received);
      throwBroken(body, received);
    }
    const { driver } = this.#ports;
    const { size } = received.progress;
    const staged = await this.#stagedDigest(received, algorithmOf(digest));
    if (staged !== undefined && staged !== digest) {
      // Nobody would find them again: the session does not know where they are.
      if (hold.session.inc === undefined) await driver.discard(received.place);
      throw mismatch(digest, staged);
    }
    // A kill from here on leaves a session that says all bytes are there: the client's PUT, repeated, finishes it.
    await hold.saveProgress(received);
    const committed = await driver.head(dataKey(received.place.inc));
    const wasCommitted = committed !== undefined;
    const place = wasCommitted ? received.place : await hold.takeExclusive(received.place, size);
    // An object is never committed again: a session, whatever it claims, must not replace bytes that may be linked.
    if (!(wasCommitted ? committed.size === size : await driver.commit(place, size))) {
      // A kill came after these bytes were dropped for ones that the store had already, and before the session ended.
      if (await this.#linking.isLinked(pusher.repo, digest)) return;
      throw uploadUnknown();
    }
    const exclusivity = hold.exclusivity(wasCommitted);
    // Another holder may have written to a session that was taken over, after its digest was computed.
    const mustRead = staged === undefined || hold.takenOver;
    const found = wasCommitted
      ? await this.#objectDigest(place.inc, digest)
      : mustRead
        ? await this.#committedDigest(place, size, digest)
        : staged;
    if (found !== digest) {
      if (!wasCommitted) await this.#endUnlinked(hold, place, exclusivity);
      throw mismatch(digest, found);
    }
    await this.#linking.linkUploaded(pusher.repo, { digest, size, inc: place.inc, exclusivity }, pusher.actor);
  }

  /**
   * The digest in the algorithm that the client closes with, which may be another than it announced. undefined where staged
   * bytes cannot be read: then it is asked for once they are committed.
   */
  async #stagedDigest({ place, progress }: Received, algorithm: Algorithm): Promise<Digest | undefined> {
    const { size, digest } = progress;
    if (digest !== undefined && algorithmOf(digest) === algorithm) return digest;
    return await this.#ports.driver.digestStaged(place, size, algorithm);
  }

  async #committedDigest(place: StagedPlace, size: number, expected: Digest): Promise<Digest> {
    const found = await this.#ports.driver.digestStaged(place, size, algorithmOf(expected));
    if (found === undefined) throw uploadUnknown();
    return found;
  }

  /** The digest of an object that an earlier request committed, whatever the session says of it. */
  async #objectDigest(inc: Incarnation, expected: Digest): Promise<Digest> {
    const { driver } = this.#ports;
    const key = dataKey(inc);
    const found = await digestOfObject(driver, key, algorithmOf(expected), () => {});
    if (found === undefined) throw uploadUnknown();
    // A process that was killed may have left it in the page cache only.
    await driver.confirm(key);
    return found;
  }

  /** Ends an upload whose bytes turned out to be wrong only after they were committed. */
  async #endUnlinked(hold: LeasedUpload, place: StagedPlace, exclusivity: Exclusivity): Promise<void> {
    await hold.end();
    if (await isExclusive(exclusivity)) await this.#ports.driver.delete([dataKey(place.inc)]);
  }

  async #discardStaged(session: Session): Promise<void> {
    const place = placeOf(session);
    if (place !== undefined) await this.#ports.driver.discard(place);
  }

  async #withHold<T>(id: UploadId, pusher: Pusher, work: (hold: LeasedUpload) => Promise<T>): Promise<T> {
    const lease = await this.#ports.sessions.lease(id, ownerOf(pusher));
    if (lease === 'unknown') throw uploadUnknown();
    if (lease === 'busy') throw uploadBusy();
    const hold = new LeasedUpload(lease, this.#ports, pusher.signal);
    try {
      return await work(hold);
    } finally {
      await hold.release();
    }
  }
}

/**
 * Ends a session whose blob is linked: that another request holds it by now, or that it was lost with Redis meanwhile, takes
 * nothing from that.
 */
async function endLinked(hold: LeasedUpload): Promise<void> {
  try {
    await hold.end();
  } catch (error) {
    const isOver = error instanceof RegistryError && ['upload-busy', 'upload-unknown'].includes(error.kind);
    if (!isOver) throw error;
  }
}

function ownerOf({ repo, actor }: Pusher): SessionOwner {
  return { repo, actor: actor.id };
}

/** "If a chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code." */
function checkOrder(session: Session, range: ContentRange | undefined): void {
  if (range === undefined || range.start === session.offset) return;
  throw new RegistryError(
    'upload-out-of-order',
    `the next byte of this upload is ${session.offset}, not ${range.start}: go on from there`,
    { upload: session.id, offset: session.offset },
  );
}

function throwBroken(body: UploadBody, received: Received | undefined): void {
  if (received?.progress.failure !== undefined) throw received.progress.failure;
  if (body.broken !== undefined) throw body.broken;
}

function mismatch(expected: Digest, found: Digest): RegistryError {
  return new RegistryError('digest-mismatch', `the uploaded bytes have the digest ${found}, not ${expected}`, {
    digest: found,
  });
}

function uploadUnknown(): RegistryError {
  return new RegistryError(
    'upload-unknown',
    'there is no such upload: it was finished, cancelled, or it expired; begin it again',
  );
}

/** An upload that is wrong may have ended with its request. */
function ignoreEnded(error: unknown): void {
  if (!isEnded(error)) throw error;
}

function isEnded(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === 'upload-unknown';
}

/** The client named no upload that could be unknown: its request has to be sent again. */
function unavailable(cause: unknown): RegistryError {
  return new RegistryError('unavailable', 'the upload was lost on its way: try again', undefined, cause);
}
