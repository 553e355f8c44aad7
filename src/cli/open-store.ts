import { resolve } from 'node:path';
import { ConfigError, readConfig } from '../config.ts';
import { parseRepositoryName, parseTag, type RepositoryName, type Tag } from '../oci/names.ts';
import type { StoreReader } from '../storage/driver.ts';
import { openFolderReadOnly } from '../storage/filesystem/folder.ts';
import { CommandError, EXIT } from './failure.ts';

export interface OpenStore {
  readonly reader: StoreReader;
  /** Absolute path of the data folder. */
  readonly place: string;
}

/**
 * The store that a server with the same environment would serve, for looking only.
 * @throws ConfigError, StoreRefused in one line
 */
export async function openStore(environment: Readonly<Record<string, string | undefined>>): Promise<OpenStore> {
  const config = readConfig(environment);
  if (config.storageDriver === 's3') {
    throw new ConfigError('STORAGE_DRIVER=s3 is not available in this version: use filesystem, or unset it');
  }
  const place = resolve(config.storagePath);
  return { reader: await openFolderReadOnly(place), place };
}

export function requireRepository(text: string): RepositoryName {
  const name = parseRepositoryName(text);
  if (name === undefined) throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is no name of a repository`);
  return name;
}

export function requireTag(text: string): Tag {
  const tag = parseTag(text);
  if (tag === undefined) throw new CommandError(EXIT.failed, `${JSON.stringify(text)} is no name of a tag`);
  return tag;
}
