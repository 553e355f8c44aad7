// Writes large stores directly, with the same content that a registry would have written. A million pushes and deletes over HTTP would
// take hours.
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { encodeTime } from 'ulid';
import {
  BATCH_VERSION,
  type Batch,
  encodeBatch,
  hashSlot,
  type JournalEvent,
  NO_SLOT,
  type SlotHash,
} from '../src/journal/events.ts';
import type { Digest, Incarnation, RepositoryName } from '../src/oci/names.ts';
import { dataKey, markerKey, SHELVES, slotKey } from '../src/storage/paths.ts';
import { digestOf, MANIFEST_TYPE } from './registry.ts';

export interface Growth {
  readonly repositories: number;
  /** Objects that no log links any more. Of ten, nine were unlinked and one was never linked. */
  readonly garbage: number;
  /** Blobs that a manifest of their repository refers to. */
  readonly live: number;
}

/** Where the objects of a store are written. */
export interface Ground {
  /** Writes the same small object under each of these names. */
  plantData(inc: Incarnation): void;
  plant(key: string, bytes: Uint8Array): Promise<void>;
}

const DAY = 86_400_000;
/** Older than twice the default UPLOAD_EXPIRY. */
const PUSHED_AGO = 30 * DAY;
const DELETED_AGO = 3 * DAY;
/** Number of events in one batch of the log. */
const EVENTS = 250;
const DATA_BYTES = new TextEncoder().encode('a small object');
/** The object of which all others in a bucket are copies. */
export const MODEL = 'data/model';
const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** Writes into a data folder of Marina, which needs its shelves first. */
export function folderGround(root: string): Ground {
  for (const shelf of SHELVES) mkdirSync(join(root, 'data', shelf), { recursive: true });
  return {
    plantData: (inc) => writeFileSync(join(root, dataKey(inc)), DATA_BYTES, { flag: 'wx' }),
    plant: async (key, bytes) => {
      mkdirSync(dirname(join(root, key)), { recursive: true });
      writeFileSync(join(root, key), bytes, { flag: 'wx' });
    },
  };
}

/**
 * Writes into a bucket of MinIO, which stores a small object as one file in a folder with the object's name.
 * @param put writes an object to the bucket with a request
 */
export async function bucketGround(
  folder: string,
  put: (key: string, bytes: Uint8Array) => Promise<unknown>,
): Promise<Ground> {
  await put(MODEL, DATA_BYTES);
  return {
    plantData: (inc) => {
      const path = join(folder, dataKey(inc));
      mkdirSync(path, { recursive: true });
      copyFileSync(join(folder, MODEL, 'xl.meta'), join(path, 'xl.meta'));
    },
    plant: async (key, bytes) => void (await put(key, bytes)),
  };
}

/** Writes the objects and logs that pushes and deletes of some time ago would have left. */
export async function plant({ repositories, garbage, live }: Growth, ground: Ground): Promise<void> {
  const names = new Names(Date.now() - PUSHED_AGO);
  const share = (all: number, n: number): number =>
    Math.floor((all * (n + 1)) / repositories) - Math.floor((all * n) / repositories);
  for (let n = 0; n < repositories; n++) {
    const repo = `planted/group-${n % 10}/project-${n}` as RepositoryName;
    const log = new PlantedLog(repo, ground, names);
    await ground.plant(markerKey(repo), new Uint8Array());
    const unlinked: JournalEvent[] = [];
    for (let one = 0, all = share(garbage, n); one < all; one++) {
      const inc = names.next();
      ground.plantData(inc);
      if (one % 10 === 9) continue;
      const digest = digestOfName(inc);
      await log.add({ type: 'blob.linked', digest, inc, size: DATA_BYTES.length }, PUSHED_AGO);
      unlinked.push({ type: 'blob.unlinked', digest, inc });
    }
    const refs: Digest[] = [];
    for (let one = 0, all = share(live, n); one < all; one++) {
      const inc = names.next();
      ground.plantData(inc);
      refs.push(digestOfName(inc));
      await log.add({ type: 'blob.linked', digest: digestOfName(inc), inc, size: DATA_BYTES.length }, PUSHED_AGO);
    }
    const inc = names.next();
    ground.plantData(inc);
    const size = DATA_BYTES.length;
    await log.add(
      { type: 'manifest.put', digest: digestOfName(inc), size, inc, mediaType: MANIFEST_TYPE, refs },
      PUSHED_AGO,
    );
    await log.flush(PUSHED_AGO);
    for (const event of unlinked) await log.add(event, DELETED_AGO);
    await log.flush(DELETED_AGO);
  }
}

let loose = 0;

/** Writes objects that no log ever named. They are garbage that only a listing of all objects finds. */
export function plantLoose(ground: Ground, count: number): void {
  // Each call uses a later time, so that no name is used twice.
  const names = new Names(Date.now() - PUSHED_AGO - DAY - ++loose);
  for (let n = 0; n < count; n++) ground.plantData(names.next());
}

/** A made-up digest, since these bytes are never requested by their digest. */
function digestOfName(inc: Incarnation): Digest {
  return digestOf(new TextEncoder().encode(inc)) as Digest;
}

/** Generates names in the order of time, evenly spread over all shelves. */
class Names {
  readonly #time: string;
  #given = 0;

  constructor(at: number) {
    this.#time = encodeTime(at, 10);
  }

  next(): Incarnation {
    let text = '';
    for (let left = this.#given++, place = 0; place < 8; place++, left = Math.floor(left / 32)) {
      text = (DIGITS[left % 32] ?? '') + text;
    }
    return `${this.#time}00000000${text}` as Incarnation;
  }
}

class PlantedLog {
  readonly #repo: RepositoryName;
  readonly #ground: Ground;
  readonly #names: Names;
  #events: JournalEvent[] = [];
  #seq = 0;
  #hash: SlotHash = NO_SLOT;

  constructor(repo: RepositoryName, ground: Ground, names: Names) {
    this.#repo = repo;
    this.#ground = ground;
    this.#names = names;
  }

  async add(event: JournalEvent, ago: number): Promise<void> {
    this.#events.push(event);
    if (this.#events.length === EVENTS) await this.flush(ago);
  }

  async flush(ago: number): Promise<void> {
    if (this.#events.length === 0) return;
    const batch: Batch = {
      ...{ v: BATCH_VERSION, repo: this.#repo, seq: ++this.#seq, prev: this.#hash },
      ...{ batch: this.#names.next(), node: 'planted', at: new Date(Date.now() - ago).toISOString() },
      events: this.#events,
    };
    this.#events = [];
    const bytes = encodeBatch(batch);
    this.#hash = hashSlot(bytes);
    await this.#ground.plant(slotKey(this.#repo, batch.seq), bytes);
  }
}
