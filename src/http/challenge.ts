import type { Action } from '../access/authority.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Requirement } from './requirement.ts';

/** RFC 6750, section 3.1. Without it containerd sends a refused token again. */
export type TokenError = 'invalid_token' | 'insufficient_scope';

/** What the client should request a token for. */
export interface Challenge {
  /** Scopes, separated by spaces; undefined if any token is enough. */
  readonly scope: string | undefined;
  /** Why the token was refused; undefined if none was sent. */
  readonly error: TokenError | undefined;
}

/** The token service that clients use. */
export interface TokenService {
  readonly realm: string;
  readonly service: string;
}

/** A request lacks the necessary credentials. */
export class Unauthorized extends RegistryError {
  readonly challenge: Challenge;

  constructor(message: string, challenge: Challenge) {
    super('unauthorized', message);
    this.challenge = challenge;
  }
}

/**
 * The value of WWW-Authenticate. Always exactly one challenge, and never Basic, although Basic is accepted: dockerd uses the
 * last of several challenges, and Bun joins equal headers into one, of which many clients read only the beginning.
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

/** The actions in scopes. Pushing also needs `pull`, because clients check first which layers exist. */
const ACTIONS: Readonly<Record<Action, string>> = {
  pull: 'pull',
  push: 'pull,push',
  create: 'pull,push',
  delete: 'delete',
};

/** The scope that meets all requirements; undefined if any token does. */
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
