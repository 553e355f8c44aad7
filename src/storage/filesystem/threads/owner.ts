import { codeOf } from '../../../system/error-code.ts';
import type { CreateResult, DeleteOptions, Key } from '../../driver.ts';
import type { FileObjects } from '../objects.ts';
import type { FilesPorts } from '../ports.ts';
import type { Reserve } from '../reserve.ts';
import type { SentFailure, SentObject, StoreCalls, ThreadFolder } from './protocol.ts';

export interface StoreServicePorts extends Pick<FilesPorts, 'root' | 'pathOf' | 'diskSync' | 'wal' | 'admit'> {
  readonly objects: Pick<FileObjects, 'create' | 'publish' | 'put' | 'delete' | 'deleteAll'>;
  readonly reserve: Reserve;
}

/** The owner's side of one other thread's driver. */
export class StoreService implements StoreCalls {
  readonly #ports: StoreServicePorts;

  constructor(ports: StoreServicePorts) {
    this.#ports = ports;
  }

  async open(): Promise<ThreadFolder> {
    const { root, wal, reserve } = this.#ports;
    return { root, isLogged: wal !== undefined, reserve: reserve.memory };
  }

  create(key: Key, bytes: Uint8Array): Promise<CreateResult> {
    return this.#ports.objects.create(key, bytes);
  }

  publish(key: Key, bytes: Uint8Array, prepared: Key, named: readonly SentObject[]): Promise<CreateResult> {
    const records = named.map(([name, content]) => ({ kind: 'object', key: name, bytes: content }) as const);
    return this.#ports.objects.publish({ key, bytes, records }, prepared);
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

  async freeReserve(): Promise<void> {
    this.#ports.reserve.free();
  }

  async restoreReserve(): Promise<void> {
    this.#ports.reserve.restore();
  }

  async admit(): Promise<void> {
    this.#ports.admit();
  }
}
