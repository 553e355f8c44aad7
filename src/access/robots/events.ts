import { z } from 'zod';
import { branded } from '../../journal/branded.ts';
import { canonicalJson } from '../../journal/canonical.ts';
import { decodeBatchOf } from '../../journal/decode-batch.ts';
import { parseIncarnation } from '../../oci/names.ts';
import { parseRobotName, type RobotName } from './robot.ts';
import { parseSecretHash, type SecretHash } from './secret.ts';

/** Batches of a higher version are refused, never skipped. */
export const ROBOT_BATCH_VERSION = 1;

export const robotName = branded<RobotName>(parseRobotName, 'the name of a robot');
export const secretHash = branded<SecretHash>(parseSecretHash, 'the hash of a secret');
export const expiry = z.iso.datetime();
const actor = z.string();

const event = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('robot.created'),
    name: robotName,
    secret: secretHash,
    expires: expiry.optional(),
    actor,
  }),
  /** A new secret replaces the old one. `expires` replaces the old expiry; if it is absent, the robot never expires. */
  z.strictObject({
    type: z.literal('robot.rotated'),
    name: robotName,
    secret: secretHash,
    expires: expiry.optional(),
    actor,
  }),
  z.strictObject({ type: z.literal('robot.revoked'), name: robotName, actor }),
]);

export type RobotEvent = z.infer<typeof event>;

const batch = z.strictObject({
  v: z.int(),
  log: z.literal('robots'),
  seq: z.int().positive(),
  /** Hash of the previous slot. */
  prev: z.string(),
  /** ULID of the attempt that wrote this slot. */
  batch: branded(parseIncarnation, 'a ULID'),
  node: z.string(),
  at: z.iso.datetime(),
  events: z.array(event).min(1),
});

/** The content of one slot of the robots' log. It has the form of a repository's batch, with other events. */
export type RobotBatch = z.infer<typeof batch>;

export function encodeRobotBatch(value: RobotBatch): Uint8Array {
  return canonicalJson(value);
}

/** @returns the batch, or the reason why this version cannot use these bytes */
export function decodeRobotBatch(bytes: Uint8Array): { readonly batch: RobotBatch } | { readonly problem: string } {
  return decodeBatchOf(bytes, batch, ROBOT_BATCH_VERSION);
}
