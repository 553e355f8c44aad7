import { z } from 'zod';
import type { SlotHash } from '../../journal/events.ts';
import { compressedJsonOf } from '../../oci/json.ts';
import type { RepositoryName } from '../../oci/names.ts';

/** Snapshots of other versions are ignored. */
const VERSION = 1;

/** What the notes say after one of them. */
export interface NotesSnapshot {
  readonly seq: number;
  /** Hash of that note. */
  readonly hash: SlotHash;
  /** Its time in milliseconds. */
  readonly at: number;
  /** The newest slot of each repository that notes have named. */
  readonly reached: ReadonlyMap<RepositoryName, number>;
}

type Entry = [RepositoryName, number];

/** Checked by hand: zod would take longer than all the rest for 100,000 repositories. Only Marina writes snapshots. */
function isEntry(each: unknown): each is Entry {
  return Array.isArray(each) && each.length === 2 && typeof each[0] === 'string' && Number.isSafeInteger(each[1]);
}

const shape = z.strictObject({
  v: z.literal(VERSION),
  seq: z.int().positive(),
  hash: z.string(),
  at: z.int(),
  reached: z.custom<Entry[]>((value) => Array.isArray(value) && value.every(isEntry)),
});

/** The same snapshot always has the same content. */
export async function encodeNotesSnapshot({ seq, hash, at, reached }: NotesSnapshot): Promise<Uint8Array> {
  return await Bun.zstdCompress(JSON.stringify({ v: VERSION, seq, hash, at, reached: sorted(reached) }));
}

/** @returns undefined for anything but a snapshot of this version. It is ignored then: the log is the truth */
export async function decodeNotesSnapshot(bytes: Uint8Array): Promise<NotesSnapshot | undefined> {
  const { data } = shape.safeParse(await compressedJsonOf(bytes));
  return data === undefined ? undefined : { ...data, reached: new Map(data.reached) };
}

function sorted(reached: ReadonlyMap<RepositoryName, number>): readonly Entry[] {
  return [...reached].sort(([a], [b]) => (a < b ? -1 : 1));
}
