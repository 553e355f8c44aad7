import { algorithmOf, digestOf } from '../oci/digest.ts';
import type { Digest, Incarnation, RepositoryName } from '../oci/names.ts';
import { SessionIds } from '../registry/session-ids.ts';
import { piecesOf } from '../storage/digest-object.ts';
import type { StagedPlace, StagedProgress, StagedWrite, StoredObject } from '../storage/driver.ts';
import { ForeignUnreadable } from '../storage/foreign.ts';
import { dataKey, uploadPrefix } from '../storage/paths.ts';
import type { Import } from './ports.ts';
import type { Way } from './report.ts';

/** Objects up to this size are written with one call. */
const SMALL_BYTES = 256 * 1024;
/**
 * The actor of the upload sessions that big objects are sent through. Such a session is never resumed, but it expires
 * like any other.
 */
const UPLOADER = 'import';

/** Content of the source that is to become the blob `digest` of a repository. */
export interface Wanted {
  readonly repo: RepositoryName;
  readonly digest: Digest;
  /** The digest under which the source has it. */
  readonly target: Digest;
  readonly size: number;
  /** Whether its name is trusted, without reading its bytes. */
  readonly trusted: boolean;
}

export interface Placed {
  readonly inc: Incarnation;
  readonly way: Way;
}

/**
 * Stores the bytes in our store, durably and under a fresh name, once they match their digest.
 * @returns undefined if they do not match
 * @throws ForeignUnreadable
 */
export async function placeBytes(wanted: Wanted, run: Import): Promise<Placed | undefined> {
  if (run.source.gives) return await giveBytes(wanted, run);
  return wanted.size <= SMALL_BYTES ? await writeBytes(wanted, run) : await sendBytes(wanted, run);
}

async function giveBytes({ digest, target, size, trusted }: Wanted, run: Import): Promise<Placed | undefined> {
  const { source, driver, tally, signal } = run;
  const inc = run.newIncarnation();
  const verification = trusted ? undefined : { digest, onBytes: (count: number) => tally.read(count), signal };
  const way = await source.give(target, dataKey(inc), size, verification);
  if (way === undefined) return undefined;
  const given = (await driver.head(dataKey(inc)))?.size;
  if (given !== size) throw new ForeignUnreadable(`${target} changed while it was taken over`);
  await driver.confirm(dataKey(inc));
  return { inc, way };
}

async function writeBytes({ digest, target }: Wanted, run: Import): Promise<Placed | undefined> {
  const bytes = await run.source.read(target);
  if (bytes === undefined || digestOf(algorithmOf(digest), bytes) !== digest) return undefined;
  run.tally.read(bytes.length);
  const inc = run.newIncarnation();
  const written = await run.driver.write(dataKey(inc), bytes);
  await written.settle();
  return { inc, way: 'sent' };
}

/** Like an upload: in parts if the store is a bucket, hashed on the way. */
async function sendBytes({ repo, digest, target, size }: Wanted, run: Import): Promise<Placed | undefined> {
  const { driver, source } = run;
  const object = await source.open(target);
  if (object === undefined) return undefined;
  const algorithm = algorithmOf(digest);
  const owner = { repo, actor: UPLOADER };
  const upload = new SessionIds(run.store).mint(owner, { createdAt: run.now(), algorithm });
  let place: StagedPlace = { upload, inc: run.newIncarnation() };
  const keep = async (state: string): Promise<void> => {
    place = { ...place, state };
  };
  let committed = false;
  try {
    const settled = await stageAll(await driver.stage(place, 0, algorithm, keep), object, run);
    if (settled.failure !== undefined) throw settled.failure;
    if (settled.state !== undefined) place = { ...place, state: settled.state };
    if (settled.digest !== digest) return undefined;
    committed = await driver.commit(place, size);
    if (!committed) throw new ForeignUnreadable(`${target} changed while it was taken over`);
    return { inc: place.inc, way: 'sent' };
  } finally {
    if (!committed) await driver.discard(place);
    await driver.deleteAll(uploadPrefix(upload));
  }
}

async function stageAll(write: StagedWrite, { body, size }: StoredObject, run: Import): Promise<StagedProgress> {
  try {
    for await (const piece of piecesOf(body, size)) {
      run.signal.throwIfAborted();
      run.tally.read(piece.length);
      await write.write(piece.slice());
    }
    return await write.settle();
  } finally {
    await write.release();
  }
}
