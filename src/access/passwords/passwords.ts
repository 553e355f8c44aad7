import { createHmac } from 'node:crypto';
import type { Authenticated, BasicAuthenticator, MaybeAsync, Origin } from '../authenticator.ts';
import { clientOf } from '../client-address.ts';
import type { Attempt, GuessingLimiter } from '../guessing.ts';
import { labelOf } from '../identity.ts';
import { type Account, problemOfName } from './htpasswd.ts';
import type { PasswordChecks } from './password-checks.ts';
import { decoyFor, type PasswordHash } from './password-hash.ts';
import { type CredentialKey, RememberedPasswords } from './remembered.ts';

/** The result of a login with a password. */
export type PasswordOutcome = 'right' | 'wrong' | 'remembered' | 'limited' | 'busy';

export interface PasswordPorts {
  readonly checks: PasswordChecks;
  readonly limiter: GuessingLimiter;
  /** Milliseconds, of a monotonic clock. */
  readonly now: () => number;
  /** Called once per check, even if several requests share it. */
  readonly observe: (outcome: PasswordOutcome) => void;
}

type Accounts = ReadonlyMap<string, Account>;

class Entry {
  readonly account: Account;
  /** The same authority for every login, because the gate uses it as a cache key. */
  readonly known: Extract<Authenticated, { readonly kind: 'known' }>;
  /** The answer to a wrong password. */
  readonly wrong: Authenticated;
  /** Computed once, because each request with a token needs it. */
  #version: string | undefined;

  constructor(account: Account) {
    const identity = { kind: 'user', name: account.name } as const;
    this.account = account;
    this.known = { kind: 'known', authority: { kind: 'identity', identity } };
    this.wrong = { kind: 'refused', reason: 'wrong password', account: labelOf(identity) };
  }

  get version(): string {
    this.#version ??= versionOf(this.account);
    return this.#version;
  }
}

const BUSY: Authenticated = { kind: 'later', retryAfterSeconds: 5 };
const NO_ACCOUNT: Authenticated = { kind: 'refused', reason: 'no such account' };
const CHANGED: Authenticated = { kind: 'refused', reason: 'the account was changed while the password was checked' };
const IMPOSSIBLE: Authenticated = { kind: 'refused', reason: 'no account can have such a name or an empty password' };
const NO_GUESS: Attempt = { kind: 'allowed', takeBack: () => undefined };
const VERSION_BYTES = 12;

/**
 * Logins with the accounts of HTPASSWD_FILE. A password that was right within the last minute is accepted without a
 * check. Any other costs one hash, even for names without an account, and is limited by client and account.
 */
export class Passwords implements BasicAuthenticator {
  readonly #ports: PasswordPorts;
  readonly #remembered: RememberedPasswords;
  /** Checks in progress. Concurrent requests with the same credentials share one check. */
  readonly #pending = new Map<CredentialKey, Promise<Authenticated>>();
  #entries: ReadonlyMap<string, Entry>;
  /** Names without an account are checked against it. */
  #decoy: PasswordHash;

  constructor(accounts: Accounts, ports: PasswordPorts) {
    this.#ports = ports;
    this.#remembered = new RememberedPasswords(ports.now);
    this.#entries = entriesOf(accounts);
    this.#decoy = decoyOf(accounts);
  }

  /** Uses the accounts of a changed file. Every password is then checked again. */
  replace(accounts: Accounts): void {
    this.#entries = entriesOf(accounts);
    this.#decoy = decoyOf(accounts);
    this.#remembered.forget();
  }

  /** Never returns undefined, so it must be the last authenticator for Basic. */
  basic(name: string, password: string, origin: Origin): MaybeAsync<Authenticated> {
    const entry = this.#entries.get(name);
    // This answer may be fast, because the syntax of names is no secret.
    if (password === '' || (entry === undefined && problemOfName(name) !== undefined))
      return this.#observed('wrong', IMPOSSIBLE);
    const key = this.#remembered.keyOf(name, entry?.account.hash.text ?? '', password);
    if (entry !== undefined && this.#remembered.isRight(key)) return this.#observed('remembered', entry.known);
    // A client that repeats an outdated password costs no further hashes and uses up only one attempt.
    if (this.#remembered.isWrong(key)) return this.#observed('wrong', wrong(entry));
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    // A password that was right before is not a guess, so others behind the same address cannot lock out its owner.
    const attempt = this.#remembered.wasRight(key) ? NO_GUESS : this.#ports.limiter.attempt(origin.address, name);
    if (attempt.kind === 'later') return this.#observed('limited', attempt);
    const answer = this.#check(entry, key, password, origin, attempt.takeBack).finally(() => this.#pending.delete(key));
    this.#pending.set(key, answer);
    return answer;
  }

  /**
   * A text that changes with the account's password, so that tokens end with the password. It is the same on every node and after a
   * restart, and reveals nothing about the password: its key is the line's hash, which has a random salt.
   * @returns undefined if there is no such account
   */
  versionOf(name: string): string | undefined {
    return this.#entries.get(name)?.version;
  }

  async #check(
    entry: Entry | undefined,
    key: CredentialKey,
    password: string,
    origin: Origin,
    takeBack: () => void,
  ): Promise<Authenticated> {
    let isWrong = false;
    try {
      const hash = entry?.account.hash ?? this.#decoy;
      const checked = await this.#ports.checks.check(password, hash, clientOf(origin.address));
      if (checked.kind === 'busy') return this.#observed('busy', BUSY);
      isWrong = entry === undefined || !checked.isRight;
      if (entry === undefined || isWrong) {
        this.#remembered.addWrong(key);
        return this.#observed('wrong', wrong(entry));
      }
      if (this.#entries.get(entry.account.name)?.account.hash.text !== hash.text)
        return this.#observed('wrong', CHANGED);
      this.#remembered.addRight(key);
      return this.#observed('right', { ...entry.known, acceptAgain: () => this.#acceptAgain(key) });
    } finally {
      if (!isWrong) takeBack();
    }
  }

  #acceptAgain(key: CredentialKey): boolean {
    const isRight = this.#remembered.isRight(key);
    if (isRight) this.#ports.observe('remembered');
    return isRight;
  }

  #observed(outcome: PasswordOutcome, answer: Authenticated): Authenticated {
    this.#ports.observe(outcome);
    return answer;
  }
}

function wrong(entry: Entry | undefined): Authenticated {
  return entry?.wrong ?? NO_ACCOUNT;
}

function entriesOf(accounts: Accounts): ReadonlyMap<string, Entry> {
  return new Map(Array.from(accounts, ([name, account]) => [name, new Entry(account)]));
}

function versionOf({ name, hash }: Account): string {
  const whole = createHmac('sha256', hash.text).update(`password version:${name}`).digest();
  return whole.subarray(0, VERSION_BYTES).toString('base64url');
}

function decoyOf(accounts: Accounts): PasswordHash {
  return decoyFor(accounts.values().map(({ hash }) => hash));
}
