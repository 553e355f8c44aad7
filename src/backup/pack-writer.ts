import { createHash } from 'node:crypto';
import { encodeFrame } from './frames.ts';
import type { Frame } from './manifest.ts';

/** A frame ends after this many bytes of slots, and a pack after this many bytes of frames. */
const FRAME_BYTES = 1024 * 1024;
const PACK_BYTES = 8 * 1024 * 1024;

interface OpenPack {
  /** Its index in the manifest. */
  readonly index: number;
  readonly frames: Uint8Array[];
  bytes: number;
}

/** Packs of a backup: those of earlier ones that it refers to, and new ones. */
export class PackWriter {
  /** SHA-256 of each pack in hex; undefined for packs that are being written. */
  readonly #packs: (string | undefined)[] = [];
  readonly #indexes = new Map<string, number>();
  readonly #store: (pack: string, bytes: Uint8Array) => Promise<void>;
  #open: OpenPack | undefined;

  constructor(store: (pack: string, bytes: Uint8Array) => Promise<void>) {
    this.#store = store;
  }

  /** The index of a pack that is stored already. */
  refer(pack: string): number {
    const known = this.#indexes.get(pack);
    if (known !== undefined) return known;
    const index = this.#packs.push(pack) - 1;
    this.#indexes.set(pack, index);
    return index;
  }

  /** Adds consecutive slots of one log. @param first the number of the first one */
  async add(first: number, slots: readonly Uint8Array[]): Promise<Frame> {
    const bytes = encodeFrame(slots);
    this.#open ??= { index: this.#packs.push(undefined) - 1, frames: [], bytes: 0 };
    const pack = this.#open;
    const at = pack.bytes;
    pack.frames.push(bytes);
    pack.bytes += bytes.length;
    if (pack.bytes >= PACK_BYTES) await this.#close(pack);
    return [pack.index, at, bytes.length, first, first + slots.length - 1];
  }

  async #close(pack: OpenPack): Promise<void> {
    this.#open = undefined;
    const bytes = Buffer.concat(pack.frames);
    const hash = createHash('sha256').update(bytes).digest('hex');
    this.#packs[pack.index] = hash;
    await this.#store(hash, bytes);
  }

  /** Stores the last pack. @returns all packs by their indexes */
  async finish(): Promise<string[]> {
    if (this.#open !== undefined) await this.#close(this.#open);
    return this.#packs.map((pack) => {
      if (pack === undefined) throw new Error('a pack was not stored');
      return pack;
    });
  }
}

/** Gathers the slots of one log into frames. */
export class FrameGatherer {
  readonly #packs: PackWriter;
  readonly frames: Frame[] = [];
  #first: number;
  #slots: Uint8Array[] = [];
  #bytes = 0;

  /** @param first the number of the first slot that will be added */
  constructor(packs: PackWriter, first: number) {
    this.#packs = packs;
    this.#first = first;
  }

  async add(slot: Uint8Array): Promise<void> {
    this.#slots.push(slot);
    this.#bytes += slot.length;
    if (this.#bytes >= FRAME_BYTES) await this.flush();
  }

  async flush(): Promise<void> {
    if (this.#slots.length === 0) return;
    const [first, slots] = [this.#first, this.#slots];
    this.#first += slots.length;
    this.#slots = [];
    this.#bytes = 0;
    this.frames.push(await this.#packs.add(first, slots));
  }
}
