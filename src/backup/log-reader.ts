import { createHash } from 'node:crypto';
import { NO_SLOT } from '../journal/events.ts';
import type { Archive } from '../storage/archive.ts';
import type { StoredObject } from '../storage/driver.ts';
import { decodeFrame } from './frames.ts';
import { packKey } from './layout.ts';
import { advance, brokenSlot, type Log, type LogPosition } from './logs.ts';
import type { Frame, LogCopy, Manifest } from './manifest.ts';

export interface CopiedSlot extends LogPosition {
  readonly at: string;
  readonly bytes: Uint8Array;
}

/** Reads the slots of a backup. */
export class LogReader {
  readonly #archive: Archive;
  readonly #packs: readonly string[];

  constructor(archive: Archive, { packs }: Pick<Manifest, 'packs'>) {
    this.#archive = archive;
    this.#packs = packs;
  }

  /**
   * All slots of a log, in order, each checked against the one before, and the last one against the backup's manifest.
   * @throws RegistryError `log-broken`; BackupRefused if a pack cannot be read
   */
  async *slots(log: Log, copy: LogCopy): AsyncGenerator<CopiedSlot> {
    let at: LogPosition = { seq: 0, hash: NO_SLOT };
    for (const frame of copy.frames) {
      const [, , , first, last] = frame;
      const slots = decodeFrame(await this.#read(log, frame));
      if (first !== at.seq + 1 || slots.length !== last - first + 1)
        throw brokenSlot(log, at.seq + 1, 'the backup has other slots than it says');
      for (const bytes of slots) {
        const next = advance(log, at, bytes);
        at = next;
        yield { ...next, bytes };
      }
    }
    if (at.seq !== copy.seq || at.hash !== copy.hash)
      throw brokenSlot(log, at.seq, 'the last slot of the backup is another one than it says');
  }

  async #read(log: Log, [pack, at, size, first]: Frame): Promise<Uint8Array> {
    const hash = this.#packs[pack];
    const object = hash === undefined ? undefined : await this.#archive.open(packKey(hash));
    if (object === undefined || at + size > object.size)
      throw brokenSlot(log, first, `the pack ${hash ?? pack} of the backup is missing or too short`);
    return await rangeOf(object, at, at + size);
  }
}

async function rangeOf({ body }: StoredObject, start: number, end: number): Promise<Uint8Array> {
  if (body.kind === 'file') return new Uint8Array(await Bun.file(body.path).slice(start, end).arrayBuffer());
  return new Uint8Array(await new Response(body.open({ start, end })).arrayBuffer());
}

/** Whether the bytes of a pack are those that its name says. @returns undefined if it is missing */
export async function isPackRight(archive: Archive, pack: string): Promise<boolean | undefined> {
  const bytes = await archive.read(packKey(pack));
  return bytes === undefined ? undefined : createHash('sha256').update(bytes).digest('hex') === pack;
}
