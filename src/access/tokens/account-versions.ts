import type { Account, Held, Holder } from './claims.ts';

/** The current version of an account's password: a text that changes with it; undefined if there is no such account. */
export type VersionOf = (account: Account) => string | undefined;

/** Binds tokens to the password with which they were obtained. */
export class AccountVersions {
  readonly #versionOf: VersionOf;

  constructor(versionOf: VersionOf) {
    this.#versionOf = versionOf;
  }

  /** The holder with the version of its password; only accounts have one. */
  held(holder: Holder): Held {
    return { holder, version: isAccount(holder) ? this.#versionOf(holder) : undefined };
  }

  /** Whether the account still has the same password. A holder without a password is always current. */
  isCurrent({ holder, version }: Held): boolean {
    return !isAccount(holder) || (version !== undefined && version === this.#versionOf(holder));
  }
}

export function isAccount(holder: Holder): holder is Account {
  return holder.kind === 'user' || holder.kind === 'robot';
}
