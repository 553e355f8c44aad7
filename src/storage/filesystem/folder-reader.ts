import { accessSync, constants, statSync } from 'node:fs';
import { codeOf } from '../../system/error-code.ts';
import type { StoreReader } from '../driver.ts';
import { NoStore, readIdentity, type StoreIdentity, StoreRefused } from '../prepare.ts';
import { FileThread } from './file-thread.ts';
import { runAs } from './owner.ts';
import { FileReading } from './reading.ts';
import { isMissing } from './system-errors.ts';

/**
 * Opens a data folder for reading only, whether or not a process serves it. Writes nothing and does not even try the
 * lock: trying would hold it for a moment, and a server starting in that moment would be refused.
 * @param root absolute path
 * @throws StoreRefused in one line: there is no such folder, it is no store, its layout is unknown
 */
export async function openFolderReadOnly(root: string): Promise<StoreReader> {
  // Keys contain nothing that would have to be resolved.
  const reader = new FileReading({ pathOf: (key) => `${root}/${key}`, thread: new FileThread() });
  let store: StoreIdentity | undefined;
  try {
    if (!statSync(root).isDirectory()) throw new StoreRefused(`${root} is no folder: set STORAGE_PATH`);
    accessSync(root, constants.R_OK | constants.X_OK);
    store = await readIdentity(reader);
  } catch (error) {
    if (error instanceof StoreRefused) throw error;
    const reason = isMissing(error) ? 'does not exist' : `cannot be read (${codeOf(error) ?? String(error)})`;
    const Refused = isMissing(error) ? NoStore : StoreRefused;
    throw new Refused(`the data folder ${root} ${reason}: set STORAGE_PATH, or ${adviceAbout(root)}`);
  }
  if (store === undefined) {
    throw new NoStore(`${root} is no data folder of Marina, it has no object \`format\`: set STORAGE_PATH`);
  }
  return reader;
}

/** Advice for a user without access. */
function adviceAbout(root: string): string {
  try {
    const { uid } = statSync(root);
    return uid === process.geteuid?.() ? 'check its owner' : `run this with ${runAs(uid)}`;
  } catch {
    return 'check its owner';
  }
}
