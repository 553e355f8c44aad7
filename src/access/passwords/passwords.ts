import { createHmac } from 'node:crypto';
import type { Authenticated, BasicAuthenticator, MaybeAsync, Origin } from '../authenticator.ts';
import type { Judge, JudgedOutcome, Judgement } from '../credential-judge.ts';
import { labelOf } from '../identity.ts';
import { type Account, problemOfName } from './htpasswd.ts';
import { decoyFor, type PasswordHash } from './password-hash.ts';
import { type CredentialKey, RememberedPasswords } from './remembered.ts';

export interface PasswordPorts {
  readonly judge: Pick<Judge, 'password'>;
  /** Milliseconds, of a monotonic clock. */
  readonly now: () => number;
  /** Called for logins that are decided without the judge. */
  readonly observe: (outcome: Extract<JudgedOutcome, 'remembered' | 'wrong'>) => void;
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

const NO_ACCOUNT: Authenticated = { kind: 'refused', reason: 'no such account' };
const CHANGED: Authenticated = { kind: 'refused', reason: 'the account was changed while the password was checked' };
const IMPOSSIBLE: Authenticated = { kind: 'refused', reason: 'no account can have such a name or an empty password' };
const VERSION_BYTES = 12;

/**
 * Logins with the accounts of HTPASSWD_FILE. A password that was right within the last minute is accepted without a
 * check. Any other costs one hash, even for names without an account, and is limited by client and account.
 */
export class Passwords implements BasicAuthenticator {
  readonly #ports: PasswordPorts;
  /** Right passwords only; the judge remembers wrong ones. */
  readonly #remembered: RememberedPasswords;
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
    const hash = entry?.account.hash ?? this.#decoy;
    const asked = { name, password, hash, isDecoy: entry === undefined, address: origin.address };
    const judged = this.#ports.judge.password(asked);
    return judged instanceof Promise
      ? judged.then((each) => this.#answer(each, entry, key))
      : this.#answer(judged, entry, key);
  }

  /**
   * A text that changes with the account's password, so that tokens end with the password. It is the same on every node and after a
   * restart, and reveals nothing about the password: its key is the line's hash, which has a random salt.
   * @returns undefined if there is no such account
   */
  versionOf(name: string): string | undefined {
    return this.#entries.get(name)?.version;
  }

  #answer(judgement: Judgement, entry: Entry | undefined, key: CredentialKey): Authenticated {
    if (judgement.kind === 'later') return judgement;
    if (judgement.kind === 'wrong' || entry === undefined) return wrong(entry);
    const { name, hash } = entry.account;
    if (this.#entries.get(name)?.account.hash.text !== hash.text) return CHANGED;
    this.#remembered.addRight(key, judgement.forMs);
    return { ...entry.known, acceptAgain: () => this.#acceptAgain(key) };
  }

  #acceptAgain(key: CredentialKey): boolean {
    const isRight = this.#remembered.isRight(key);
    if (isRight) this.#ports.observe('remembered');
    return isRight;
  }

  #observed(outcome: 'remembered' | 'wrong', answer: Authenticated): Authenticated {
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
