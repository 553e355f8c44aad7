import { NO_SLOT } from '../../../src/journal/events.ts';
import { readSlot } from '../../../src/journal/log.ts';
import { parseRepositoryName } from '../../../src/oci/names.ts';
import type { StorageDriver } from '../../../src/storage/driver.ts';
import { CATALOG, logPrefix, repositoryOfMarker } from '../../../src/storage/paths.ts';
import { Fault } from './fault.ts';

/** What the walks along the logs of one folder have seen so far. */
export interface Walked {
  slots: number;
  /** By repository. What was seen once can never change, so each walk goes on where the last one stopped. */
  readonly heads: Map<string, { readonly seq: number; readonly hash: string }>;
}

/**
 * Slots are contiguous from 1, each with the hash of the one before, and nothing but slots lies in the folder.
 * @param anew from slot 1, whatever was seen before
 */
export async function walkChain(driver: StorageDriver, name: string, walked: Walked, anew = false): Promise<void> {
  const repository = parseRepositoryName(name);
  if (repository === undefined) throw new Fault(`${name} is no repository`);
  const known = walked.heads.get(name);
  let { seq, hash } = known === undefined || anew ? { seq: 0, hash: NO_SLOT } : known;
  for (;;) {
    const slot = await readSlot(driver, repository, seq + 1);
    if (slot === undefined) break;
    if (slot.batch.prev !== hash) throw new Fault(`slot ${seq + 1} of ${name} follows ${slot.batch.prev}, not ${hash}`);
    ({ seq } = slot.batch);
    ({ hash } = slot);
    walked.slots++;
    if (anew && seq === known?.seq && hash !== known.hash) throw new Fault(`slot ${seq} of ${name} has changed`);
  }
  if (known !== undefined && seq < known.seq)
    throw new Fault(`the log of ${name} ended at ${known.seq}, now at ${seq}`);
  let files = 0;
  for await (const _ of driver.list(logPrefix(repository))) files++;
  if (files !== seq) throw new Fault(`the log of ${name} has ${files} slots, but ends at ${seq}`);
  walked.heads.set(name, { seq, hash });
}

/** Every repository that has a marker: no log exists without one. */
export async function markedRepositories(driver: StorageDriver): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of driver.list(CATALOG)) {
    const name = repositoryOfMarker(key);
    if (name === undefined) throw new Fault(`${key} is no marker`);
    names.push(name);
  }
  return names;
}
