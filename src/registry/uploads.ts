import type { Actor } from '../access/access.ts';
import { type Algorithm, algorithmOf, digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName, UploadId } from '../oci/names.ts';
import type { StagedPlace, StagedProgress, StagedWrite } from '../storage/driver.ts';
import { dataKey } from '../storage/paths.ts';
import type { Linking } from './linking.ts';
import type { RegistryPorts } from './ports.ts';
import type { Session, SessionLease, SessionOwner } from './sessions.ts';
import { type ContentRange, readAll, type UploadBody } from './upload-body.ts';

/** Blobs whose length is known to be at most this are gathered in memory and written at once. */
const GATHER_BYTES = 256 * 1024;

/** The bytes of a blob after the last one of the session, staged but not yet acknowledged. */
interface Received {
  readonly place: StagedPlace;
  readonly progress: StagedProgress;
}

/** Where an upload goes and who sends it. */
export interface Pusher {
  readonly repo: RepositoryName;
  readonly actor: Actor;
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
    await this.#withLease(id, pusher, (lease) => lease.end());
  }

  /**
   * PATCH: adds bytes to the session. Of a body that breaks off, what came is kept and reported by `status`.
   * @throws RegistryError `upload-unknown`, `upload-busy`, `upload-out-of-order`, `size-mismatch`, `upload-interrupted`,
   * `upload-stalled`, `storage-full`
   */
  append(id: UploadId, pusher: Pusher, body: UploadBody, range: ContentRange | undefined): Promise<Session> {
    return this.#withLease(id, pusher, async (lease) => {
      checkOrder(lease.session, range);
      const received = await this.#receive(lease, body);
      const next = received === undefined ? lease.session : advanced(lease.session, received);
      if (next.offset !== lease.session.offset) await lease.save(next);
      throwBroken(body, received);
      return next;
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
    return this.#withLease(id, pusher, async (lease) => {
      const { session } = lease;
      checkOrder(session, range);
      if (session.offset === 0 && body.length !== undefined && body.length <= GATHER_BYTES) {
        await this.#storeGathered(pusher, digest, body);
      } else {
        await this.#storeStaged(lease, pusher, digest, body);
      }
      await lease.end();
    });
  }

  /** The single POST with the whole blob. @throws RegistryError as `close` */
  async monolithic(pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    if (body.length !== undefined && body.length <= GATHER_BYTES) {
      await this.#storeGathered(pusher, digest, body);
      return;
    }
    const { id } = await this.start(pusher, algorithmOf(digest));
    try {
      await this.close(id, pusher, digest, body, undefined);
    } catch (error) {
      // Nobody was told of this session, so nobody can go on with it.
      await this.cancel(id, pusher);
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
    await this.#ports.driver.put(dataKey(inc), bytes, { fresh: true });
    await this.#linking.linkUploaded(repo, { digest, size: bytes.length, inc, linkedBefore: false }, actor);
  }

  async #storeStaged(lease: SessionLease, pusher: Pusher, digest: Digest, body: UploadBody): Promise<void> {
    const { session } = lease;
    const received = await this.#receive(lease, body);
    if (received === undefined) {
      throwBroken(body, received);
      await this.#storeBytes(pusher, digest, new Uint8Array());
      return;
    }
    const { place, progress } = received;
    const { size } = progress;
    if (body.broken !== undefined || progress.failure !== undefined) {
      if (size !== session.offset) await lease.save(advanced(session, received));
      throwBroken(body, received);
    }
    const found = await this.#digestOf(place, progress, algorithmOf(digest));
    if (found !== digest) {
      // Nobody would find them again: the session does not know where they are.
      if (session.inc === undefined) await this.#ports.driver.discard(place);
      throw mismatch(digest, found);
    }
    // A kill from here on leaves a session that says all bytes are there: the client's PUT, repeated, finishes it.
    if (size !== session.offset) await lease.save(advanced(session, received));
    const { inc } = place;
    const linkedBefore = (await this.#ports.driver.head(dataKey(inc))) !== undefined;
    if (!(await this.#ports.driver.commit(place, size))) {
      // A kill came after these bytes were dropped for ones that the store had already, and before the session ended.
      if (await this.#linking.isLinked(pusher.repo, digest)) return;
      throw uploadUnknown();
    }
    await this.#linking.linkUploaded(pusher.repo, { digest, size, inc, linkedBefore }, pusher.actor);
  }

  /** The digest in the algorithm that the client closes with, which may be another than it announced. */
  async #digestOf(place: StagedPlace, progress: StagedProgress, algorithm: Algorithm): Promise<Digest> {
    if (algorithmOf(progress.digest) === algorithm) return progress.digest;
    const digest = await this.#ports.driver.digestStaged(place, progress.size, algorithm);
    if (digest === undefined) throw uploadUnknown();
    return digest;
  }

  /**
   * Stages a body behind the session's bytes. What it leaves there counts only once the session is saved. A body without any
   * byte touches nothing: after a kill the staged bytes may have become the blob already. undefined: there are none at all.
   */
  async #receive({ session }: SessionLease, body: UploadBody): Promise<Received | undefined> {
    const place = { upload: session.id, inc: session.inc ?? this.#ports.newIncarnation() };
    let write: StagedWrite | undefined;
    let progress: StagedProgress;
    try {
      for await (const chunk of body.chunks()) {
        write ??= await this.#ports.driver.stage(place, session.offset, session.algorithm);
        await write.write(chunk);
      }
      if (write === undefined) return stagedSoFar(session);
      progress = await write.settle();
    } catch (error) {
      await write?.drop();
      throw error;
    }
    await write.release();
    return { place, progress };
  }

  async #withLease<T>(id: UploadId, pusher: Pusher, work: (lease: SessionLease) => Promise<T>): Promise<T> {
    const lease = await this.#ports.sessions.lease(id, ownerOf(pusher));
    if (lease === 'unknown') throw uploadUnknown();
    if (lease === 'busy') {
      throw new RegistryError(
        'upload-busy',
        'another request is writing to this upload: wait for it, then ask for its progress',
      );
    }
    try {
      return await work(lease);
    } finally {
      lease.release();
    }
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

function advanced(session: Session, { place, progress }: Received): Session {
  return { ...session, inc: place.inc, offset: progress.size, digest: progress.digest };
}

function stagedSoFar(session: Session): Received | undefined {
  if (session.inc === undefined || session.digest === undefined) return undefined;
  return {
    place: { upload: session.id, inc: session.inc },
    progress: { size: session.offset, digest: session.digest },
  };
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
