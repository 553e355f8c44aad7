import { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import { type Incarnation, parseIncarnation } from '../oci/names.ts';
import type { Archive } from '../storage/archive.ts';
import { BackupRefused } from './errors.ts';
import { PRUNES, pruneKey, pruneOfKey } from './layout.ts';

/*
 * What a prune keeps is one object. It is a fence between the prune and backups that are being made: a backup is one only if each prune
 * here keeps it, or had ended before the backup began. So a backup that relied on bytes which a prune removes never counts, whichever
 * process was stopped when. docs/decisions/0089 says why.
 */

const ulid = z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined);

const schema = z.object({
  v: z.literal(1),
  /** The backups that it keeps. */
  kept: z.array(ulid),
  /** When this was written, milliseconds. A prune writes it again while it removes. */
  at: z.number(),
  /** Whether it removes nothing more. */
  hasEnded: z.boolean(),
});

export type PruneContent = z.infer<typeof schema>;

export interface Prune extends PruneContent {
  readonly id: Incarnation;
}

/** The prunes of a place. @throws BackupRefused for one that cannot be read */
export async function readPrunes(archive: Archive): Promise<Prune[]> {
  const ids: Incarnation[] = [];
  for await (const { key } of archive.list(PRUNES)) {
    const id = pruneOfKey(key);
    if (id !== undefined) ids.push(id);
  }
  const prunes: Prune[] = [];
  for (const id of ids) {
    const bytes = await archive.read(pruneKey(id));
    // A later prune has just removed it.
    if (bytes === undefined) continue;
    const parsed = schema.safeParse(jsonOf(bytes));
    if (!parsed.success) throw new BackupRefused(`${pruneKey(id)} in ${archive.place} is damaged`);
    prunes.push({ ...parsed.data, id });
  }
  return prunes;
}

export async function writePrune(archive: Archive, { id, ...content }: Prune): Promise<void> {
  await archive.write(pruneKey(id), Buffer.from(JSON.stringify(content)));
}

/** Whether all prunes leave a backup what it needs. @param known the prunes that had ended when it began */
export function isSpared(id: Incarnation, known: readonly Incarnation[], prunes: readonly Prune[]): boolean {
  return prunes.every((prune) => prune.kept.includes(id) || known.includes(prune.id));
}
