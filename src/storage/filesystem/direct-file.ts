import { closeSync, constants, openSync } from 'node:fs';
import { writeAll } from './files.ts';
import { BLOCK_BYTES } from './shared-buffers.ts';
import { codeOf, isFull, storageFull } from './system-errors.ts';

/** What a file system answers that cannot write past its page cache, or only in bigger blocks; and of a file that was removed. */
const REFUSALS: ReadonlySet<string | undefined> = new Set(['EINVAL', 'ENOTSUP', 'EOPNOTSUPP', 'ENOENT']);

/**
 * A file whose whole blocks are written past the page cache where that can be done: a big push then takes no memory of the kernel's,
 * is not copied once more, and leaves its last sync nothing to write.
 */
export class DirectFile {
  readonly #path: string;
  readonly #descriptor: number;
  /** Opened when there is something for it. */
  #direct: number | 'refused' | undefined;

  /** @param descriptor of the file, for everything else; its owner closes it */
  constructor(path: string, descriptor: number) {
    this.#path = path;
    this.#descriptor = descriptor;
  }

  /**
   * Writes all of the bytes, whose memory begins at a block.
   * @returns whether they went past the page cache
   */
  async write(bytes: Uint8Array, position: number): Promise<boolean> {
    const isWhole = position % BLOCK_BYTES === 0 && bytes.length % BLOCK_BYTES === 0;
    const direct = isWhole ? this.#openDirect() : undefined;
    if (direct !== undefined) {
      try {
        await writeAll(direct, bytes, position);
        return true;
      } catch (error) {
        if (!REFUSALS.has(codeOf(error))) throw error;
        closeSync(direct);
        this.#direct = 'refused';
      }
    }
    await writeAll(this.#descriptor, bytes, position);
    return false;
  }

  close(): void {
    if (typeof this.#direct === 'number') closeSync(this.#direct);
    this.#direct = 'refused';
  }

  #openDirect(): number | undefined {
    if (this.#direct === undefined) {
      try {
        // Systems without such a flag have no such constant.
        const flag: number | undefined = constants.O_DIRECT;
        this.#direct = flag === undefined ? 'refused' : openSync(this.#path, constants.O_WRONLY | flag);
      } catch (error) {
        if (isFull(error)) throw storageFull(error);
        if (!REFUSALS.has(codeOf(error))) throw error;
        this.#direct = 'refused';
      }
    }
    return this.#direct === 'refused' ? undefined : this.#direct;
  }
}
