import { z } from 'zod';
import { canonicalJson } from '../../journal/canonical.ts';
import type { SlotHash } from '../../journal/events.ts';
import { jsonOf } from '../../oci/json.ts';
import { expiry, robotName, secretHash } from './events.ts';
import type { Robot, RobotName } from './robot.ts';

/** Snapshots of other versions are ignored. */
const VERSION = 1;

/** The robots after a slot of their log. */
export interface RobotsSnapshot {
  readonly seq: number;
  /** Hash of the slot. */
  readonly hash: SlotHash;
  readonly robots: ReadonlyMap<RobotName, Robot>;
}

const robot = z
  .strictObject({
    name: robotName,
    secret: secretHash,
    createdAt: z.iso.datetime(),
    createdBy: z.string(),
    rotatedAt: z.iso.datetime().optional(),
    expires: expiry.optional(),
  })
  .transform(({ rotatedAt, expires, ...rest }): Robot => ({ ...rest, rotatedAt, expires }));

const shape = z.strictObject({
  v: z.literal(VERSION),
  seq: z.int().positive(),
  hash: z.string().transform((text) => text as SlotHash),
  robots: z.array(robot),
});

/** The same snapshot always has the same bytes. */
export function encodeRobotsSnapshot({ seq, hash, robots }: RobotsSnapshot): Uint8Array {
  return canonicalJson({ v: VERSION, seq, hash, robots: [...robots.values()] });
}

/** @returns undefined for anything but a snapshot of this version. It is ignored then: the log is the truth */
export function decodeRobotsSnapshot(bytes: Uint8Array): RobotsSnapshot | undefined {
  const { data } = shape.safeParse(jsonOf(bytes));
  if (data === undefined) return undefined;
  return { ...data, robots: new Map(data.robots.map((each) => [each.name, each])) };
}
