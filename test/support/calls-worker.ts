/* A thread that offers a service (src/threads/calls.test.ts). */
import { RegistryError, Unanswered } from '../../src/oci/errors.ts';
import { offer } from '../../src/threads/calls.ts';

declare const self: { onmessage: ((event: { data: MessagePort }) => void) | null };

/** What it offers. A class, so that the test sees that methods of a prototype and their `this` work. */
export class Samples {
  readonly #begun: string[] = [];

  async echo(value: unknown): Promise<unknown> {
    return value;
  }

  /** The names of all calls of this function so far, in the order in which they began. */
  async after(name: string, milliseconds: number): Promise<readonly string[]> {
    this.#begun.push(name);
    await Bun.sleep(milliseconds);
    return this.#begun;
  }

  async sizeOfBuffer(bytes: Uint8Array): Promise<number> {
    return bytes.buffer.byteLength;
  }

  async head(bytes: Uint8Array, length: number): Promise<Uint8Array> {
    return bytes.subarray(0, length);
  }

  async refuse(): Promise<never> {
    const detail = { retry: 'later', slots: ['a', 'b'] };
    throw new RegistryError('upload-busy', 'another request writes to this upload', detail);
  }

  async timeOut(): Promise<never> {
    throw new Unanswered('the store did not answer');
  }

  async fail(code: string): Promise<never> {
    throw Object.assign(new Error('no space left'), { code });
  }

  async returnFunction(): Promise<unknown> {
    return () => 1;
  }
}

self.onmessage = ({ data }) => offer(data, new Samples());
