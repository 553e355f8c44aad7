import { z } from 'zod';
import { RegistryError, unreachable } from '../../oci/errors.ts';
import { expiry, type RobotEvent, secretHash } from './events.ts';
import { isExpired, type Robot, type RobotName } from './robot.ts';

/** How many robots may exist. Every node keeps all of them in memory: about 300 bytes each. */
export const MAX_ROBOTS = 10_000;

/** A change that an operator wants. Secrets are made by the operator's command; only their hash travels. */
export const robotChange = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('create'), secret: secretHash, expires: expiry.optional() }),
  /** Without `expires` the robot keeps its own. */
  z.strictObject({ kind: z.literal('rotate'), secret: secretHash, expires: expiry.optional() }),
  z.strictObject({ kind: z.literal('revoke') }),
]);
export type RobotChange = z.infer<typeof robotChange>;

/**
 * The event that makes the change. Pure.
 * @param actor recorded in the event
 * @param now milliseconds
 * @throws RegistryError `request-invalid` if it cannot be made
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
      if (robot !== undefined) throw refused(`the robot ${name} exists: rotate gives it a new secret`);
      if (robots.size >= MAX_ROBOTS) throw refused(`there are ${MAX_ROBOTS} robots, and no more are possible`);
      const { secret, expires } = change;
      requireFuture(expires, now);
      return { type: 'robot.created', name, secret, ...(expires === undefined ? {} : { expires }), actor };
    }
    case 'rotate': {
      if (robot === undefined) throw unknown(name);
      const { secret, expires = robot.expires } = change;
      if (change.expires === undefined && isExpired(robot, now))
        throw refused(`the robot ${name} has expired: give it a new time with --expires`);
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

/** What the robots are after an event. @param at ISO 8601, of its slot */
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
  if (isExpired({ expires }, now)) throw refused('a robot must expire later than now');
}

function unknown(name: RobotName): RegistryError {
  return refused(`there is no robot ${name}`);
}

function refused(message: string): RegistryError {
  return new RegistryError('request-invalid', message);
}
