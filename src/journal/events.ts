import { z } from 'zod';
import { parseDigest } from '../oci/digest.ts';
import {
  type Digest,
  type Incarnation,
  parseIncarnation,
  parseRepositoryName,
  parseTag,
  type RepositoryName,
  type Tag,
} from '../oci/names.ts';
import { branded } from './branded.ts';
import { canonicalJson } from './canonical.ts';
import { decodeBatchOf } from './decode-batch.ts';
import type { ManifestRecord } from './state.ts';

/** Batches of a higher version are refused, never skipped. */
export const BATCH_VERSION = 1;

const digest = branded<Digest>(parseDigest, 'a digest');
const tag = branded<Tag>(parseTag, 'a tag');
const inc = branded<Incarnation>(parseIncarnation, 'an incarnation');
const repo = branded<RepositoryName>(parseRepositoryName, 'a repository name');
const size = z.int().nonnegative();
/** Who requested the change, if known. */
const actor = z.string().optional();

const event = z.discriminatedUnion('type', [
  /** Binds the blob `digest` of this repository to the bytes of `inc`. `from`: the repository it was mounted from. */
  z.object({ type: z.literal('blob.linked'), digest, size, inc, from: repo.optional(), actor }),
  z.object({ type: z.literal('blob.unlinked'), digest, inc, actor }),
  z.object({
    type: z.literal('manifest.put'),
    digest,
    size,
    inc,
    mediaType: z.string(),
    artifactType: z.string().optional(),
    subject: digest.optional(),
    annotations: z.record(z.string(), z.string()).optional(),
    refs: z.array(digest),
    actor,
  }),
  z.object({ type: z.literal('manifest.deleted'), digest, inc, actor }),
  z.object({ type: z.literal('tag.set'), tag, digest, prev: digest.optional(), actor }),
  z.object({ type: z.literal('tag.deleted'), tag, prev: digest, actor }),
  z.object({ type: z.literal('repo.deleted'), actor }),
  /** `forget`: the fold drops tombstones older than this time (ISO 8601); their unlinks can no longer be undone. */
  z.object({ type: z.literal('gc.fence'), epoch: inc, forget: z.iso.datetime().optional(), actor }),
]);

export type JournalEvent = z.infer<typeof event>;
export type ManifestPut = Extract<JournalEvent, { type: 'manifest.put' }>;

/** The part of a manifest that views keep. @param at milliseconds */
export function recordOf(event: ManifestPut, at: number): ManifestRecord {
  const { size, inc, mediaType, artifactType, subject, annotations, refs } = event;
  return {
    size,
    inc,
    mediaType,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(subject === undefined ? {} : { subject }),
    ...(annotations === undefined ? {} : { annotations }),
    refs,
    at,
  };
}

/** `sha256:<hex>` of a slot's bytes, or NO_SLOT. */
export type SlotHash = string;

/** Compiled, which takes a fifth of the time: logs are long, and each of their slots is checked whenever they are folded. */
const batch = z.compile(
  z.object({
    v: z.int(),
    repo,
    seq: z.int().positive(),
    /** Hash of the previous slot. */
    prev: z.string(),
    /** ULID of the attempt that wrote this slot. */
    batch: inc,
    node: z.string(),
    at: z.iso.datetime(),
    events: z.array(event).min(1),
  }),
  { strict: true },
);

/** The content of one slot. */
export type Batch = z.infer<typeof batch>;

/** `prev` of slot 1. */
export const NO_SLOT: SlotHash = `sha256:${'0'.repeat(64)}`;

export function hashSlot(bytes: Uint8Array): SlotHash {
  return `sha256:${Bun.SHA256.hash(bytes, 'hex')}`;
}

export function encodeBatch(value: Batch): Uint8Array {
  return canonicalJson(value);
}

/** @returns the batch, or why this version cannot fold these bytes */
export function decodeBatch(bytes: Uint8Array): { readonly batch: Batch } | { readonly problem: string } {
  return decodeBatchOf(bytes, batch, BATCH_VERSION);
}
