import { z } from 'zod';
import { RegistryError, unreachable } from '../../oci/errors.ts';
import { expiry, type RobotEvent, secretHash } from './events.ts';
import { isExpired, type Robot, type RobotName } from './robot.ts';

/** How many robots may exist. Every node keeps all of them in memory: about 300 bytes each. */
export const MAX_ROBOTS = 10_000;

/** A change that an operator requests. The operator's command generates the secret and sends only its hash. */
export const robotChange = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('create'), secret: secretHash, expires: expiry.optional() }),
  /** Without `expires` the robot keeps its expiry. */
  z.strictObject({ kind: z.literal('rotate'), secret: secretHash, expires: expiry.optional() }),
  z.strictObject({ kind: z.literal('revoke') }),
]);
export type RobotChange = z.infer<typeof robotChange>;

/**
 * Decides a change. Pure.
 * @param actor recorded in the event
 * @param now milliseconds since 1970
 * @returns the event to append
 * @throws RegistryError `request-invalid` if the change is not possible
 */
export function decideChange(
  robots: ReadonlyMap<RobotName, Robot>,
  name: RobotName,
  change: RobotChange,
  actor: string,
  now: number,
): RobotEvent {
  const robot = robots.get(name);
  switch (change.kind) {
    case 'create': {
      if (robot !== undefined) throw refused(`the robot ${name} already exists: rotate it to give it a new secret`);
      if (robots.size >= MAX_ROBOTS) throw refused(`there are already ${MAX_ROBOTS} robots, which is the maximum`);
      const { secret, expires } = change;
      requireFuture(expires, now);
      return { type: 'robot.created', name, secret, ...(expires === undefined ? {} : { expires }), actor };
    }
    case 'rotate': {
      if (robot === undefined) throw unknown(name);
      const { secret, expires = robot.expires } = change;
      if (change.expires === undefined && isExpired(robot, now))
        throw refused(`the robot ${name} has expired: give it a new lifetime, too`);
      requireFuture(expires, now);
      return { type: 'robot.rotated', name, secret, ...(expires === undefined ? {} : { expires }), actor };
    }
    case 'revoke':
      if (robot === undefined) throw unknown(name);
      return { type: 'robot.revoked', name, actor };
    default:
      return unreachable(change);
  }
}

/** Applies an event to the robots. @param at time of its slot, ISO 8601 */
export function applyEvent(robots: Map<RobotName, Robot>, event: RobotEvent, at: string): void {
  const { name } = event;
  switch (event.type) {
    case 'robot.created':
      robots.set(name, {
        ...{ name, secret: event.secret, expires: event.expires },
        ...{ createdAt: at, createdBy: event.actor, rotatedAt: undefined },
      });
      return;
    case 'robot.rotated': {
      const robot = robots.get(name);
      if (robot !== undefined)
        robots.set(name, { ...robot, secret: event.secret, expires: event.expires, rotatedAt: at });
      return;
    }
    case 'robot.revoked':
      robots.delete(name);
      return;
    default:
      unreachable(event);
  }
}

function requireFuture(expires: string | undefined, now: number): void {
  if (isExpired({ expires }, now)) throw refused('the expiry of a robot must be in the future');
}

function unknown(name: RobotName): RegistryError {
  return refused(`there is no robot ${name}`);
}

function refused(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
