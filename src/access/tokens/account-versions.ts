import type { Account, Held, Holder } from './claims.ts';

/** The current version of an account's password: any text that changes with it. undefined: there is no such account. */
export type VersionOf = (account: Account) => string | undefined;

/** Ties tokens to the password by which they were obtained. */
export class AccountVersions {
  readonly #versionOf: VersionOf;

  constructor(versionOf: VersionOf) {
    this.#versionOf = versionOf;
  }

  /** What a token for this identity is tied to; only accounts have a password. */
  held(holder: Holder): Held {
    return { holder, version: isAccount(holder) ? this.#versionOf(holder) : undefined };
  }

  /** Whether the account still has the password that it had then. What has no password is always current. */
  isCurrent({ holder, version }: Held): boolean {
    return !isAccount(holder) || (version !== undefined && version === this.#versionOf(holder));
  }
}

export function isAccount(holder: Holder): holder is Account {
  return holder.kind === 'user' || holder.kind === 'robot';
}
