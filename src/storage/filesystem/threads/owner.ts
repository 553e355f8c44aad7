import type { CreateResult, DeleteOptions, Key, ObjectStore } from '../../driver.ts';
import type { FilesPorts } from '../ports.ts';
import type { Reserve } from '../reserve.ts';
import { codeOf } from '../system-errors.ts';
import type { SentFailure, StoreCalls, ThreadFolder } from './protocol.ts';

export interface StoreServicePorts extends Pick<FilesPorts, 'root' | 'pathOf' | 'diskSync' | 'wal' | 'admit'> {
  readonly objects: Pick<ObjectStore, 'create' | 'put' | 'delete' | 'deleteAll'>;
  readonly reserve: Reserve;
  readonly threads: number;
}

/** The owner's side of one other thread's driver. */
export class StoreService implements StoreCalls {
  readonly #ports: StoreServicePorts;
  /** The creations in progress that wait for the thread's word. */
  readonly #waiting = new Map<number, PromiseWithResolvers<void>>();

  constructor(ports: StoreServicePorts) {
    this.#ports = ports;
  }

  async open(): Promise<ThreadFolder> {
    const { root, wal, reserve, threads } = this.#ports;
    return { root, threads, isLogged: wal !== undefined, reserve: reserve.memory };
  }

  async create(key: Key, bytes: Uint8Array, ticket?: number): Promise<CreateResult> {
    const { objects } = this.#ports;
    if (ticket === undefined) return await objects.create(key, bytes);
    const word = Promise.withResolvers<void>();
    // Nothing waits for it if the name turns out to be taken.
    word.promise.catch(() => {});
    this.#waiting.set(ticket, word);
    try {
      return await objects.create(key, bytes, () => word.promise);
    } finally {
      this.#waiting.delete(ticket);
    }
  }

  async proceed(ticket: number, succeeded: boolean): Promise<void> {
    const word = this.#waiting.get(ticket);
    if (succeeded) word?.resolve();
    else word?.reject(new Error('the thread that creates this object has given up'));
  }

  async put(key: Key, bytes: Uint8Array): Promise<void> {
    await this.#ports.objects.put(key, bytes);
  }

  async log(key: Key, bytes: Uint8Array): Promise<void> {
    const { wal } = this.#ports;
    if (wal === undefined) throw new Error('there is no write-ahead log');
    await wal.append({ kind: 'object', key, bytes });
  }

  async delete(keys: readonly Key[], options?: DeleteOptions): Promise<readonly SentFailure[]> {
    const failures = await this.#ports.objects.delete(keys, options);
    return failures.map(({ key, cause }) => ({ key, message: String(cause), code: codeOf(cause) }));
  }

  async deleteAll(prefix: Key): Promise<void> {
    await this.#ports.objects.deleteAll(prefix);
  }

  async ensureFolder(folder: string): Promise<void> {
    const { diskSync, pathOf, root } = this.#ports;
    await diskSync.ensureFolder(pathOf(folder), root);
  }

  async admit(): Promise<void> {
    this.#ports.admit();
  }
}
