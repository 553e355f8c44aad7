import { RegistryError } from '../../oci/errors.ts';
import { refuseWithoutDescriptors } from '../../system/descriptors.ts';
import {
  decodeEntries,
  type Entry,
  encodePaths,
  type FileFailure,
  type FileReply,
  type FileRequest,
} from './file-protocol.ts';
import { isMissing } from './system-errors.ts';

interface Waiting {
  resolve(reply: FileReply): void;
  reject(error: Error): void;
}

/** A thread that lists, reads and removes many files, as seen by the serving thread. It is started on first use. */
export class FileThread {
  #worker: Worker | undefined;
  /** Replies come in the order of the requests. */
  #waiting: Waiting[] = [];
  #isClosed = false;

  /** @returns why files were not removed, by their index */
  async remove(paths: readonly string[]): Promise<ReadonlyMap<number, unknown>> {
    const reply = await this.#ask({ kind: 'remove', paths: encodePaths(paths) });
    if (reply.kind !== 'removed') throw new Error('the file thread sent an unexpected reply');
    return new Map(reply.failures.map((failure) => [failure.index, causeOf(failure)]));
  }

  /** The bytes of each file; `large`: more than MAX_READ_BYTES. */
  async read(paths: readonly string[]): Promise<readonly (Uint8Array | 'large' | undefined)[]> {
    const reply = await this.#ask({ kind: 'read', paths: encodePaths(paths) });
    if (reply.kind !== 'read') throw new Error('the file thread sent an unexpected reply');
    let position = 0;
    return reply.files.map((file) => {
      if (file === 'missing') return undefined;
      if (file === 'large') return file;
      if (typeof file !== 'number') throw causeOf(file);
      position += file;
      return reply.bytes.subarray(position - file, position);
    });
  }

  /** The entries of each folder; none for a missing one. */
  async list(folders: readonly string[]): Promise<readonly (readonly Entry[])[]> {
    const reply = await this.#ask({ kind: 'list', paths: encodePaths(folders) });
    if (reply.kind !== 'listed') throw new Error('the file thread sent an unexpected reply');
    return reply.folders.map((entries) => {
      if (typeof entries === 'string') return decodeEntries(entries);
      const cause = causeOf(entries);
      if (isMissing(cause)) return [];
      throw cause;
    });
  }

  /** After this it takes no requests: another process may have the folder by then. */
  close(): void {
    this.#isClosed = true;
    this.#worker?.terminate();
    this.#lose('the file thread was stopped');
  }

  #ask(request: FileRequest): Promise<FileReply> {
    if (this.#isClosed) throw new RegistryError('unavailable', 'the registry is shutting down');
    this.#worker ??= this.#start();
    const worker = this.#worker;
    // A pending request keeps the process alive.
    worker.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      worker.postMessage(request);
    });
  }

  #start(): Worker {
    refuseWithoutDescriptors();
    const worker = new Worker(new URL('./file-worker.ts', import.meta.url).href);
    worker.onmessage = (event: MessageEvent<FileReply>) => {
      this.#waiting.shift()?.resolve(event.data);
      if (this.#waiting.length === 0) worker.unref();
    };
    worker.onerror = (event) => this.#lose(`the file thread ended: ${event.message}`);
    return worker;
  }

  /** The thread died, and how far it got is unknown. The next request starts a new one. */
  #lose(message: string): void {
    this.#worker = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { reject } of waiting) reject(new Error(message));
  }
}

function causeOf({ code, message }: FileFailure): Error {
  return Object.assign(new Error(message), { code });
}
