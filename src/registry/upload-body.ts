import { RegistryError } from '../oci/errors.ts';

/** A chunk's place in its blob, both ends inclusive, as the header says it. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/** The bytes of one request, whoever carries them. */
export class UploadBody {
  /** What the client announced, undefined when it did not. */
  readonly length: number | undefined;
  /** Why the body ended before its end; set once its chunks were read. What came before is good. */
  broken: RegistryError | undefined;
  readonly #source: AsyncIterable<Uint8Array>;

  /** @param source throws a RegistryError when the body breaks off */
  constructor(source: AsyncIterable<Uint8Array>, length: number | undefined) {
    this.#source = source;
    this.length = length;
  }

  /**
   * The bytes in order. A body that breaks off ends here without an error, and `broken` says why.
   * @throws RegistryError `size-mismatch` when it is longer or shorter than announced: a lie, nothing of it counts
   */
  async *chunks(): AsyncIterable<Uint8Array> {
    let received = 0;
    try {
      for await (const chunk of this.#source) {
        received += chunk.length;
        if (this.length !== undefined && received > this.length) throw sizeMismatch(this.length, received);
        yield chunk;
      }
    } catch (error) {
      if (!(error instanceof RegistryError) || error.kind === 'size-mismatch') throw error;
      this.broken = error;
      return;
    }
    if (this.length !== undefined && received < this.length) throw sizeMismatch(this.length, received);
  }
}

/** The whole body in memory; only for bodies whose length is known to be small. */
export async function readAll(body: UploadBody): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.chunks()) chunks.push(chunk);
  if (body.broken !== undefined) throw body.broken;
  const [first] = chunks;
  return first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
}

function sizeMismatch(announced: number, received: number): RegistryError {
  return new RegistryError(
    'size-mismatch',
    `the body has ${received > announced ? 'more than ' : ''}${Math.min(received, announced)} bytes, ${announced} were announced`,
    { announced, received },
  );
}
