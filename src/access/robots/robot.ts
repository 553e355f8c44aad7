import type { SecretHash } from './secret.ts';

declare const brand: unique symbol;

export type RobotName = string & { readonly [brand]: 'RobotName' };

export interface Robot {
  readonly name: RobotName;
  readonly secret: SecretHash;
  /** ISO 8601. */
  readonly createdAt: string;
  readonly createdBy: string;
  /** When it got its current secret; undefined if that is its first one. */
  readonly rotatedAt: string | undefined;
  /** ISO 8601; undefined if it does not expire. */
  readonly expires: string | undefined;
}

const MAX_NAME_CHARACTERS = 64;
const NAME = /^[a-z0-9]+(?:[._-][a-z0-9]+)*$/;
export const ROBOT_NAME_FORMS = `up to ${MAX_NAME_CHARACTERS} lower case letters and digits, with single . _ - between them`;

export function parseRobotName(text: string): RobotName | undefined {
  return text.length <= MAX_NAME_CHARACTERS && NAME.test(text) ? (text as RobotName) : undefined;
}

/** Prefix of a robot's user name in Basic credentials, where user names cannot have a colon. */
const LOGIN_PREFIX = 'robot+';

export function loginOf(name: RobotName): string {
  return LOGIN_PREFIX + name;
}

/** The name in a robot's user name, not validated; undefined for any other user name. */
export function nameInLogin(login: string): string | undefined {
  return login.startsWith(LOGIN_PREFIX) ? login.slice(LOGIN_PREFIX.length) : undefined;
}

/** @param now milliseconds */
export function isExpired({ expires }: Pick<Robot, 'expires'>, now: number): boolean {
  return expires !== undefined && Date.parse(expires) <= now;
}
