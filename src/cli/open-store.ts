import { resolve } from 'node:path';
import { ulid } from 'ulid';
import type { Config } from '../config.ts';
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { openFolderReadOnly } from '../storage/filesystem/folder-reader.ts';
import type { S3Ports } from '../storage/s3/settings.ts';
import { CommandError, EXIT } from './failure.ts';

export interface OpenStore {
  readonly reader: StoreReader;
  /** Absolute path of the data folder, or the bucket. */
  readonly place: string;
  readonly close: () => Promise<void>;
}

/**
 * Opens the store that a server with these settings would serve, read-only.
 * @throws StoreRefused in one line
 */
export async function openStore(config: Config, sleep: S3Ports['sleep']): Promise<OpenStore> {
  if (config.storageDriver === 's3') {
    const { openS3ReadOnly } = await import('../storage/s3/open.ts');
    const { driver, close } = await openS3ReadOnly(config, {
      now: Date.now,
      sleep,
      random: Math.random,
      newId: ulid,
      onRequest: () => {},
    });
    return { reader: driver, place: `s3://${config.s3Bucket ?? ''}`, close };
  }
  const place = resolve(config.storagePath);
  return { reader: await openFolderReadOnly(place), place, close: async () => {} };
}

export function requireRepository(text: string): RepositoryName {
  const name = parseRepositoryName(text);
  if (name === undefined) throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is not a valid repository name`);
  return name;
}

export function requireTag(text: string): Tag {
  const tag = parseTag(text);
  if (tag === undefined) throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is not a valid tag`);
  return tag;
}
