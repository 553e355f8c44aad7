import { lstatSync, mkdtempSync, readFileSync, rmdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { FORMAT } from '../paths.ts';
import { StoreRefused } from '../prepare.ts';
import { codeOf, isMissing } from './system-errors.ts';

/**
 * Refuses to write to a store of another user: the files would belong to this process's user (root's, where an operator forgot `sudo -u`),
 * and the server could not read or remove them. To be called before anything is made in the folder.
 * @param root absolute path of a data folder; one that holds no store yet is anybody's who may write to it
 * @throws StoreRefused in one line that names the user
 */
export function requireOwner(root: string, wouldOwn: (root: string) => number | undefined = ownerOfNewFiles): void {
  const uid = process.geteuid?.();
  const owner = ownerOf(root);
  if (uid === undefined || owner === undefined || owner === uid) return;
  // A file system may map users (NFS with all_squash): what counts is whose a new file is.
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
 * Who wrote the store's `format`: the folder itself may be a mount point, which belongs to root where Kubernetes gives its pods an fsGroup.
 * undefined where there is no store.
 */
function ownerOf(root: string): number | undefined {
  try {
    return lstatSync(join(root, FORMAT)).uid;
  } catch (error) {
    if (isMissing(error)) return undefined;
    // Nobody else may enter it.
    if (codeOf(error) === 'EACCES') return statSync(root).uid;
    throw error;
  }
}

/** undefined where this process may make none. */
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

/** undefined for users of another machine or container. */
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
