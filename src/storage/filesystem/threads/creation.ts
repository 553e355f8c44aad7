import { rm } from 'node:fs/promises';
import type { CreateResult, Key, WrittenObject } from '../../driver.ts';
import { settleAll } from '../../not-durable.ts';
import { type LogReserve, prepareAhead } from '../creation.ts';
import type { FilesPorts } from '../ports.ts';
import { createNaming } from '../unlogged.ts';
import { MAX_LOGGED_BYTES } from '../wal/wal.ts';
import type { StoreCalls } from './protocol.ts';

export interface ThreadCreationPorts extends Pick<FilesPorts, 'pathOf' | 'uniqueName' | 'reach'> {
  readonly owner: Pick<StoreCalls, 'create' | 'publish'>;
  readonly reserve: LogReserve;
}

/** Creates objects in a thread whose owner has a write-ahead log. The thread writes the bytes, the owner decides who gets the name. */
export class ThreadCreation {
  readonly #ports: ThreadCreationPorts;

  constructor(ports: ThreadCreationPorts) {
    this.#ports = ports;
  }

  /** See ObjectStore.create. */
  async create(key: Key, bytes: Uint8Array, named: readonly WrittenObject[] = []): Promise<CreateResult> {
    const { owner, pathOf } = this.#ports;
    // The log takes no large objects.
    if (bytes.length > MAX_LOGGED_BYTES) {
      await settleAll(named);
      return await owner.create(key, bytes);
    }
    const prepared = await prepareAhead(key, bytes, this.#ports);
    if (prepared === undefined) return 'taken';
    try {
      return await createNaming(named, (records) =>
        owner.publish(
          key,
          bytes,
          prepared,
          records.map((record) => [record.key, record.bytes]),
        ),
      );
    } catch (error) {
      await rm(pathOf(prepared), { force: true });
      throw error;
    }
  }
}
