import { type Config, ConfigError } from './config.ts';
import type { WorkerStore } from './worker.ts';

/** The store of a cluster, as its workers see it. @throws ConfigError, StoreRefused in one line */
export async function openWorkerStore(_config: Config): Promise<WorkerStore> {
  if ((process.env.REDIS_URL ?? '') === '') {
    throw new ConfigError('a worker needs REDIS_URL: without it the registry does its background work by itself');
  }
  throw new ConfigError('workers are not available in this version: unset REDIS_URL and run the registry alone');
}
