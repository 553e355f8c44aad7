import type { Action } from '../access/authority.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Requirement } from './required-access.ts';

/** RFC 6750, section 3.1. containerd sends a token that was refused again where this is missing. */
export type TokenError = 'invalid_token' | 'insufficient_scope';

/** What the client should ask a token for. */
export interface Challenge {
  /** Scopes, separated by spaces; undefined: any token will do. */
  readonly scope: string | undefined;
  /** What is wrong with the token that was sent; undefined where none was. */
  readonly error: TokenError | undefined;
}

/** Where tokens come from. */
export interface TokenService {
  readonly realm: string;
  readonly service: string;
}

/** A request without the credentials that it needs. */
export class Unauthorized extends RegistryError {
  readonly challenge: Challenge;

  constructor(message: string, challenge: Challenge) {
    super('unauthorized', message);
    this.challenge = challenge;
  }
}

/**
 * The value of WWW-Authenticate. Always exactly one challenge, and never Basic, though that is accepted: of several challenges
 * dockerd takes the last one, and Bun joins equal headers to one that many clients read only the beginning of.
 */
export function renderChallenge({ scope, error }: Challenge, { realm, service }: TokenService): string {
  const parameters = [`realm=${quoted(realm)}`, `service=${quoted(service)}`];
  if (scope !== undefined) parameters.push(`scope=${quoted(scope)}`);
  if (error !== undefined) parameters.push(`error=${quoted(error)}`);
  return `Bearer ${parameters.join(',')}`;
}

function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** The words for our actions that clients know. Whoever pushes asks whether layers are there, and so pulls too. */
const ACTIONS: Readonly<Record<Action, string>> = {
  pull: 'pull',
  push: 'pull,push',
  create: 'pull,push',
  delete: 'delete',
};

/** The scope of a token that is good for all of these; undefined where any token is. */
export function scopeOf(requirements: readonly Requirement[]): string | undefined {
  const scopes = requirements.map(scopeOfOne).filter((each) => each !== undefined);
  return scopes.length === 0 ? undefined : scopes.join(' ');
}

function scopeOfOne(requirement: Requirement): string | undefined {
  switch (requirement.kind) {
    case 'repository':
      return `repository:${requirement.repo}:${ACTIONS[requirement.action]}`;
    case 'registry':
      return `registry:${requirement.action}:*`;
    case 'identity':
      return undefined;
  }
}
