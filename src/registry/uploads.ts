import type { Caller } from '../access/access.ts';
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

/** Blobs known to be at most this long are buffered in memory and written at once. */
const MAX_BUFFERED_BYTES = 256 * 1024;

/** The repository and the client of an upload. */
export interface Pusher {
  readonly repo: RepositoryName;
  readonly caller: Caller;
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
    await this.#withLease(id, pusher, async (upload) => {
      await upload.end();
      await this.#discardStaged(upload.session);
    });
  }

  /**
   * PATCH: appends bytes to the session. If the body breaks off, the bytes received until then are kept, and `status` counts them.
   * @throws RegistryError `upload-unknown`, `upload-busy`, `upload-out-of-order`, `size-mismatch`, `upload-interrupted`,
   * `upload-stalled`, `storage-full`
   */
  append(id: UploadId, pusher: Pusher, body: UploadBody, range: ContentRange | undefined): Promise<Session> {
    return this.#withLease(id, pusher, async (upload) => {
      checkOrder(upload.session, range);
      const received = await upload.receive(body);
      if (received !== undefined) await upload.saveProgress(received);
      throwBroken(body, received);
      return upload.session;
    });
  }

  /**
   * PUT: appends the last bytes, if any, verifies the digest and links the blob. If the digest does not match, nothing is linked.
   * @throws RegistryError as `append`, and `digest-mismatch`
   */
  close(
    id: UploadId,
    pusher: Pusher,
    digest: Digest,
    body: UploadBody,
    range: ContentRange | undefined,
  ): Promise<void> {
    return this.#withLease(id, pusher, async (upload) => {
      const { session } = upload;
      checkOrder(session, range);
      if (session.offset === 0 && body.length !== undefined && body.length <= MAX_BUFFERED_BYTES) {
        await this.#storeBuffered(pusher, digest, body);
        await endLinked(upload);
        // An interrupted request may have left staged bytes that the session does not count.
        await this.#discardStaged(session);
      } else {
        await this.#storeStaged(upload, pusher, digest, body);
        await endLinked(upload);
      }
    });
  }

  /** The single POST with the whole blob. @throws RegistryError as `close` */
  async monolithic(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    try {
      const isSmall = body.length !== undefined && body.length <= MAX_BUFFERED_BYTES;
      if (isSmall) await this.#storeBuffered(pusher, digest, body);
      else await this.#storeInOneSession(pusher, digest, body);
    } catch (error) {
      throw isEnded(error) ? unavailable(error) : error;
    }
  }

  async #storeInOneSession(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    const { id } = await this.start(pusher, algorithmOf(digest));
    try {
      await this.close(id, pusher, digest, body, undefined);
    } catch (error) {
      // No client knows this session's id, so none can resume it.
      await this.cancel(id, pusher).catch(ignoreEnded);
      throw error;
    }
  }

  async #storeBuffered(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    await this.#storeBytes(pusher, digest, await readAll(body));
  }

  async #storeBytes({ repo, caller }: Pusher, digest: Digest, bytes: Uint8Array): Promise<void> {
    const found = digestOf(algorithmOf(digest), bytes);
    if (found !== digest) throw mismatch(digest, found);
    const inc = this.#ports.newIncarnation();
    const written = await this.#ports.driver.write(dataKey(inc), bytes);
    await this.#linking.linkUploaded(
      repo,
      { digest, size: bytes.length, inc, exclusivity: EXCLUSIVE, written },
      caller,
    );
  }

  async #storeStaged(upload: LeasedUpload, pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    const received = await upload.receive(body);
    if (received === undefined) {
      throwBroken(body, received);
      await this.#storeBytes(pusher, digest, new Uint8Array());
      return;
    }
    if (body.broken !== undefined || received.progress.failure !== undefined) {
      await upload.saveProgress(received);
      throwBroken(body, received);
    }
    const { driver } = this.#ports;
    const { size } = received.progress;
    const staged = await this.#stagedDigest(received, algorithmOf(digest));
    if (staged !== undefined && staged !== digest) {
      // The session does not record where these bytes are, so no later request could find them.
      if (upload.session.inc === undefined) await driver.discard(received.place);
      throw mismatch(digest, staged);
    }
    // If the process is killed after this, the session counts all bytes, and the client's repeated PUT finishes it.
    await upload.saveProgress(received);
    const committed = await driver.head(dataKey(received.place.inc));
    const wasCommitted = committed !== undefined;
    const place = wasCommitted ? received.place : await upload.takeExclusive(received.place, size);
    // An object is never committed twice: no session, whatever it claims, may replace bytes that may be linked.
    if (!(wasCommitted ? committed.size === size : await driver.commit(place, size))) {
      // An earlier request linked identical bytes instead and deleted these, but was killed before it ended the session.
      if (await this.#linking.isLinked(pusher.repo, digest)) return;
      throw uploadUnknown();
    }
    const exclusivity = upload.exclusivity(wasCommitted);
    // If the session was taken over, its earlier holder may have written after the digest was computed.
    const computed = upload.takenOver ? undefined : staged;
    const found = wasCommitted
      ? await this.#objectDigest(place.inc, digest)
      : (computed ?? (await this.#committedDigest(place, size, digest)));
    if (found !== digest) {
      if (!wasCommitted) await this.#endUnlinked(upload, place, exclusivity);
      throw mismatch(digest, found);
    }
    await this.#linking.linkUploaded(pusher.repo, { digest, size, inc: place.inc, exclusivity }, pusher.caller);
  }

  /**
   * The digest in the algorithm the client closes with, which may differ from the announced one. undefined if staged bytes cannot be
   * read: the digest is then computed after the commit.
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

  /** Hashes an object that an earlier request committed, without relying on the digest in the session. */
  async #objectDigest(inc: Incarnation, expected: Digest): Promise<Digest> {
    const { driver } = this.#ports;
    const key = dataKey(inc);
    const found = await digestOfObject(driver, key, algorithmOf(expected), () => {});
    if (found === undefined) throw uploadUnknown();
    // If a process was killed, the object may be in the page cache only.
    await driver.confirm(key);
    return found;
  }

  /** Ends an upload whose digest turned out to be wrong only after the commit. */
  async #endUnlinked(upload: LeasedUpload, place: StagedPlace, exclusivity: Exclusivity): Promise<void> {
    await upload.end();
    if (await isExclusive(exclusivity)) await this.#ports.driver.delete([dataKey(place.inc)]);
  }

  async #discardStaged(session: Session): Promise<void> {
    const place = placeOf(session);
    if (place !== undefined) await this.#ports.driver.discard(place);
  }

  async #withLease<T>(id: UploadId, pusher: Pusher, work: (upload: LeasedUpload) => Promise<T>): Promise<T> {
    const lease = await this.#ports.sessions.lease(id, ownerOf(pusher));
    if (lease === 'unknown') throw uploadUnknown();
    if (lease === 'busy') throw uploadBusy();
    const upload = new LeasedUpload(lease, this.#ports, pusher.caller.signal);
    try {
      return await work(upload);
    } finally {
      await upload.release();
    }
  }
}

/**
 * Ends a session whose blob is linked. The upload has succeeded even if another request holds the session by now or Redis has lost
 * it, so those errors are ignored.
 */
async function endLinked(upload: LeasedUpload): Promise<void> {
  try {
    await upload.end();
  } catch (error) {
    const isOver = error instanceof RegistryError && ['upload-busy', 'upload-unknown'].includes(error.kind);
    if (!isOver) throw error;
  }
}

function ownerOf({ repo, caller }: Pusher): SessionOwner {
  return { repo, actor: caller.actor.id };
}

/** "If a chunk is uploaded out of order, the registry MUST respond with a `416 Requested Range Not Satisfiable` code." */
function checkOrder(session: Session, range: ContentRange | undefined): void {
  if (range === undefined || range.start === session.offset) return;
  throw new RegistryError(
    'upload-out-of-order',
    `the next byte of this upload is ${session.offset}, not ${range.start}: continue from there`,
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
    'there is no such upload: it was finished, was cancelled or has expired; start a new one',
  );
}

/** A close that failed with a wrong digest may already have ended the session. */
function ignoreEnded(error: unknown): void {
  if (!isEnded(error)) throw error;
}

function isEnded(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === 'upload-unknown';
}

/** The request named no upload, so `upload-unknown` would make no sense to the client. It must send the request again. */
function unavailable(cause: unknown): RegistryError {
  return new RegistryError('unavailable', 'the upload was lost before it was finished: try again', undefined, cause);
}
