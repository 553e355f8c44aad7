import type { Account, BoundIdentity, TokenIdentity } from './claims.ts';

/** The current version of an account's password: a text that changes with it; undefined if there is no such account. */
export type VersionOf = (account: Account) => string | undefined;

/** Binds tokens to the password with which they were obtained. */
export class AccountVersions {
  readonly #versionOf: VersionOf;

  constructor(versionOf: VersionOf) {
    this.#versionOf = versionOf;
  }

  /** The identity with the version of its password; only accounts have one. */
  bind(identity: TokenIdentity): BoundIdentity {
    return { identity, version: isAccount(identity) ? this.#versionOf(identity) : undefined };
  }

  /** Whether the account still has the same password. An identity without a password is always current. */
  isCurrent({ identity, version }: BoundIdentity): boolean {
    return !isAccount(identity) || (version !== undefined && version === this.#versionOf(identity));
  }
}

export function isAccount(identity: TokenIdentity): identity is Account {
  return identity.kind === 'user' || identity.kind === 'robot';
}
