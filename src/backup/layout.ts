import { algorithmOf, hexOf } from '../oci/digest.ts';
import { type Digest, type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Key } from '../storage/driver.ts';

/*
 * A backup place. Backups of one registry share its bytes: what one has stored, later ones refer to.
 *
 *   marina-backup                  whose backups are here
 *   backups/<ulid>.<name>          a whole backup, written last; the newest has the highest ULID
 *   blobs/<algorithm>/<xx>/<hex>   bytes of blobs and manifests; xx = the first two digits
 *   packs/<xx>/<hex>               frames of logs; hex = the SHA-256 of the object
 *   prunes/<ulid>                  which backups a prune keeps (prunes.ts)
 *   tmp/, lock                     folders only
 */

export const IDENTITY: Key = 'marina-backup';
export const BACKUPS: Key = 'backups/';
export const BLOBS: Key = 'blobs/';
export const PACKS: Key = 'packs/';
export const PRUNES: Key = 'prunes/';

/** Names of backups that operators give. */
export const BACKUP_NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

export function backupKey(id: Incarnation, name: string): Key {
  return `${BACKUPS}${id}.${name}`;
}

/** undefined for anything else below backups/. */
export function backupOfKey(key: Key): { readonly id: Incarnation; readonly name: string } | undefined {
  const file = key.slice(BACKUPS.length);
  const id = parseIncarnation(file.slice(0, 26));
  const name = file.slice(27);
  return id !== undefined && BACKUP_NAME.test(name) && backupKey(id, name) === key ? { id, name } : undefined;
}

export function blobKey(digest: Digest): Key {
  const hex = hexOf(digest);
  return `${BLOBS}${algorithmOf(digest)}/${hex.slice(0, 2)}/${hex}`;
}

/** @param pack the SHA-256 of its bytes, in hex */
export function packKey(pack: string): Key {
  return `${PACKS}${pack.slice(0, 2)}/${pack}`;
}

export function pruneKey(id: Incarnation): Key {
  return `${PRUNES}${id}`;
}

/** undefined for anything else below prunes/. */
export function pruneOfKey(key: Key): Incarnation | undefined {
  return parseIncarnation(key.slice(PRUNES.length));
}
