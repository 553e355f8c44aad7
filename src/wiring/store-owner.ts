import { resolve } from 'node:path';
import type { Config } from '../config.ts';
import { requireOwner } from '../storage/filesystem/owner.ts';

/**
 * To be called first by a command that writes, even if a running server does the work: the command should be refused in both cases.
 * @throws StoreRefused in one line that names the owner
 */
export function requireStoreOwner(config: Config): void {
  if (config.storageDriver === 'filesystem') requireOwner(resolve(config.storagePath));
}
