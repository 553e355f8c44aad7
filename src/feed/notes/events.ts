import { z } from 'zod';
import { branded } from '../../journal/branded.ts';
import { canonicalJson } from '../../journal/canonical.ts';
import { decodeBatchOf } from '../../journal/decode-batch.ts';
import { parseIncarnation, parseRepositoryName, type RepositoryName } from '../../oci/names.ts';

/** Notes of a higher version are refused, never skipped. */
export const NOTE_VERSION = 1;

/** The log of `repo` has the slots after `from`, up to `to`. */
const grew = z
  .strictObject({
    type: z.literal('log.grew'),
    repo: branded<RepositoryName>(parseRepositoryName, 'a repository name'),
    /** The last slot that notes named before; 0 if they named none. */
    from: z.int().nonnegative(),
    /** The newest slot. */
    to: z.int().positive(),
  })
  .refine(({ from, to }) => from < to, { message: 'it names no slot', path: ['to'] });

/** This store was a replica until here, and is a primary from here on: its history parts from all others. */
const promoted = z.strictObject({
  type: z.literal('store.promoted'),
  /** ULID of the store's objects (StoreIdentity). */
  instance: z.string(),
  actor: z.string(),
});

const event = z.discriminatedUnion('type', [grew, promoted]);

export type NoteEvent = z.infer<typeof event>;

/** Compiled, which takes a fraction of the time: every reader of changes decodes notes. */
const note = z.compile(
  z.strictObject({
    v: z.int(),
    log: z.literal('notes'),
    seq: z.int().positive(),
    /** Hash of the previous slot. */
    prev: z.string(),
    /** ULID of the attempt that wrote this slot. */
    batch: branded(parseIncarnation, 'a ULID'),
    node: z.string(),
    /** Never earlier than that of the slot before, whatever the clock says. */
    at: z.iso.datetime(),
    /** Of each repository at most one, in the order of their names. */
    events: z.array(event).min(1),
  }),
  { strict: true },
);

/** The content of one slot of the notes. It has the form of a repository's batch, with other events. */
export type NoteBatch = z.infer<typeof note>;

export function encodeNote(value: NoteBatch): Uint8Array {
  return canonicalJson(value);
}

/** @returns the note, or the reason why this version cannot use these bytes */
export function decodeNote(bytes: Uint8Array): { readonly batch: NoteBatch } | { readonly problem: string } {
  return decodeBatchOf(bytes, note, NOTE_VERSION);
}
