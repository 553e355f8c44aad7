import { NO_SLOT } from '../../../src/journal/events.ts';
import { readSlot } from '../../../src/journal/log.ts';
import { parseRepositoryName } from '../../../src/oci/names.ts';
import type { StoreReader } from '../../../src/storage/driver.ts';
import { CATALOG, logPrefix, repositoryOfMarker } from '../../../src/storage/paths.ts';
import { Fault } from './fault.ts';

/** What earlier walks along the logs of one folder found. */
export interface Walked {
  slots: number;
  /** By repository. Slots never change, so each walk continues where the last one stopped. */
  readonly heads: Map<string, { readonly seq: number; readonly hash: string }>;
}

/**
 * Checks that slots are contiguous from 1, each with the hash of the previous one, and that the folder contains only slots.
 * @param fromStart walks from slot 1, even if earlier walks have checked these slots
 */
export async function walkChain(driver: StoreReader, name: string, walked: Walked, fromStart = false): Promise<void> {
  const repository = parseRepositoryName(name);
  if (repository === undefined) throw new Fault(`${name} is not a repository name`);
  const known = walked.heads.get(name);
  let { seq, hash } = known === undefined || fromStart ? { seq: 0, hash: NO_SLOT } : known;
  for (;;) {
    const slot = await readSlot(driver, repository, seq + 1);
    if (slot === undefined) break;
    if (slot.batch.prev !== hash) throw new Fault(`slot ${seq + 1} of ${name} follows ${slot.batch.prev}, not ${hash}`);
    ({ seq } = slot.batch);
    ({ hash } = slot);
    walked.slots++;
    if (fromStart && seq === known?.seq && hash !== known.hash) throw new Fault(`slot ${seq} of ${name} has changed`);
  }
  if (known !== undefined && seq < known.seq)
    throw new Fault(`the log of ${name} ended at ${known.seq}, now at ${seq}`);
  let files = 0;
  for await (const _ of driver.list(logPrefix(repository))) files++;
  if (files !== seq) throw new Fault(`the log of ${name} has ${files} slots, but ends at ${seq}`);
  walked.heads.set(name, { seq, hash });
}

/** Every repository that has a marker: no log exists without one. */
export async function markedRepositories(driver: StoreReader): Promise<string[]> {
  const names: string[] = [];
  for await (const { key } of driver.list(CATALOG)) {
    const name = repositoryOfMarker(key);
    if (name === undefined) throw new Fault(`${key} is not a marker`);
    names.push(name);
  }
  return names;
}
