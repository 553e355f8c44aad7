import { lstatSync, mkdtempSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../system/error-code.ts';
import { FORMAT } from '../paths.ts';
import { StoreRefused } from '../prepare.ts';
import { isMissing } from './system-errors.ts';

/**
 * Refuses to write to a store of another user. The files would belong to this process's user (root, if an operator
 * forgot `sudo -u`), and the server could not read or remove them. Must be called before anything is created in the
 * folder.
 * @param root absolute path of a data folder. If it holds no store yet, anyone with write access may use it.
 * @throws StoreRefused in one line that names the user
 */
export function requireOwner(root: string, wouldOwn: (root: string) => number | undefined = ownerOfNewFiles): void {
  const uid = process.geteuid?.();
  const owner = ownerOf(root);
  if (uid === undefined || owner === undefined || owner === uid) return;
  // File systems may map users (NFS with all_squash), so the owner of a new file decides.
  if (wouldOwn(root) === owner) return;
  throw new StoreRefused(
    `the data folder ${root} belongs to ${described(owner)}, who could not use what this process writes as ${described(uid)}: run it with ${runAs(owner)}`,
  );
}

/** For messages: how to run a command as that user. */
export function runAs(uid: number): string {
  return `sudo -u ${nameOf(uid) ?? `'#${uid}'`} (in a container: --user ${uid})`;
}

/**
 * The owner of the store's `format`. The folder itself may be a mount point that belongs to root, as with an fsGroup
 * of Kubernetes.
 * @returns undefined if there is no store
 */
function ownerOf(root: string): number | undefined {
  try {
    return lstatSync(join(root, FORMAT)).uid;
  } catch (error) {
    if (isMissing(error)) return undefined;
    // A folder that only its owner may enter: its owner also owns the store.
    if (codeOf(error) === 'EACCES') return statSync(root).uid;
    throw error;
  }
}

/** @returns undefined if this process cannot create any */
function ownerOfNewFiles(root: string): number | undefined {
  let probe: string;
  try {
    probe = mkdtempSync(join(root, 'tmp', 'owner-'));
  } catch {
    return undefined;
  }
  try {
    return lstatSync(probe).uid;
  } finally {
    rmdirSync(probe);
  }
}

function described(uid: number): string {
  const name = nameOf(uid);
  return name === undefined ? `the user ${uid}` : `${name} (${uid})`;
}

/** @returns undefined for users of another machine or container */
function nameOf(uid: number): string | undefined {
  let users: string;
  try {
    users = readFileSync('/etc/passwd', 'utf8');
  } catch {
    return undefined;
  }
  for (const line of users.split('\n')) {
    const [name, , id] = line.split(':');
    if (id === String(uid)) return name;
  }
  return undefined;
}
