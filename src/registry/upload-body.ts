import { RegistryError } from '../oci/errors.ts';

/** The range of a chunk in its blob as its Content-Range states it, both ends inclusive. */
export interface ContentRange {
  readonly start: number;
  readonly end: number;
}

/** The body of one upload request, independent of the HTTP server. */
export class UploadBody {
  /** The length the client announced; undefined if it announced none. */
  readonly length: number | undefined;
  /** Why the body ended early; set once its chunks are read. The bytes received before are valid. */
  broken: RegistryError | undefined;
  readonly #source: AsyncIterable<Uint8Array>;

  /** @param source throws a RegistryError if the body breaks off */
  constructor(source: AsyncIterable<Uint8Array>, length: number | undefined) {
    this.#source = source;
    this.length = length;
  }

  /**
   * The bytes in order. A body that breaks off ends here without an error, and `broken` says why.
   * @throws RegistryError `size-mismatch` if it is longer or shorter than announced: none of its bytes can be trusted
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

/** Reads the whole body into memory. Only for bodies whose length is known to be small. */
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
