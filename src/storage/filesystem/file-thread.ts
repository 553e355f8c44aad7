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

/** The serving thread's end of a thread that does something with many files. It is started when it is first needed. */
export class FileThread {
  #worker: Worker | undefined;
  /** Answers come in the order of the requests. */
  #waiting: Waiting[] = [];
  #isClosed = false;

  /** @returns why files were not removed, by their place in the list */
  async remove(paths: readonly string[]): Promise<ReadonlyMap<number, unknown>> {
    const reply = await this.#ask({ kind: 'remove', paths: encodePaths(paths) });
    if (reply.kind !== 'removed') throw new Error('a thread answered what it was not asked');
    return new Map(reply.failures.map((failure) => [failure.index, causeOf(failure)]));
  }

  /** What is in each of these folders; nothing in one that is not there. */
  async list(folders: readonly string[]): Promise<readonly (readonly Entry[])[]> {
    const reply = await this.#ask({ kind: 'list', paths: encodePaths(folders) });
    if (reply.kind !== 'listed') throw new Error('a thread answered what it was not asked');
    return reply.folders.map((entries) => {
      if (typeof entries === 'string') return decodeEntries(entries);
      const cause = causeOf(entries);
      if (isMissing(cause)) return [];
      throw cause;
    });
  }

  /** Later nothing is asked of it any more: another process may have the folder by then. */
  close(): void {
    this.#isClosed = true;
    this.#worker?.terminate();
    this.#lose('the thread was stopped');
  }

  #ask(request: FileRequest): Promise<FileReply> {
    if (this.#isClosed) throw new RegistryError('unavailable', 'the registry is shutting down');
    this.#worker ??= this.#start();
    const worker = this.#worker;
    // Whoever waits for it keeps the process alive.
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
    worker.onerror = (event) => this.#lose(`a thread for many files ended: ${event.message}`);
    return worker;
  }

  /** It is gone: nobody knows how far it came. The next request starts a new one. */
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
