import type { MaybeAsync } from './authenticator.ts';
import { clientOf } from './client-address.ts';
import type { Attempt, GuessingLimiter } from './guessing.ts';
import type { PasswordChecks } from './passwords/password-checks.ts';
import type { PasswordHash } from './passwords/password-hash.ts';
import { type CredentialKey, RememberedPasswords } from './passwords/remembered.ts';

/** A password to be checked. It can be sent to another thread. */
export interface AskedPassword {
  readonly name: string;
  readonly password: string;
  /** The hash of the account; if there is none, a decoy. */
  readonly hash: PasswordHash;
  readonly isDecoy: boolean;
  /** Address of the client, as far as it is known. */
  readonly address: string | undefined;
}

export interface WrongSecret {
  /** The user name that came with it. */
  readonly user: string;
  readonly secret: string;
  readonly address: string | undefined;
}

/** Too many wrong attempts, or no capacity for a check. */
interface Later {
  readonly kind: 'later';
  readonly retryAfterSeconds: number;
}

export type Judgement =
  /** @property forMs how many milliseconds it needs no other check */
  { readonly kind: 'right'; readonly forMs: number } | { readonly kind: 'wrong' } | Later;

/** The result of a check of a password. */
export type JudgedOutcome = 'right' | 'wrong' | 'remembered' | 'limited' | 'busy';

/**
 * Judges credentials that are not known to be right, and counts the wrong ones. A process has one judge for all of its threads, so that a
 * client gets no more guesses for connecting to several.
 */
export interface Judge {
  /** @returns a promise if the password must be checked, or if the judge is in another thread */
  password(asked: AskedPassword): MaybeAsync<Judgement>;
  /** Counts a secret that was found wrong, if it was not counted before. */
  wrongSecret(wrong: WrongSecret): MaybeAsync<{ readonly kind: 'counted' } | Later>;
}

export interface JudgePorts {
  readonly checks: PasswordChecks;
  readonly limiter: GuessingLimiter;
  /** Milliseconds, of a monotonic clock. */
  readonly now: () => number;
  /** Called once per check of a password, even if several requests share it. */
  readonly observe: (outcome: JudgedOutcome) => void;
}

const BUSY: Judgement = { kind: 'later', retryAfterSeconds: 5 };
const WRONG: Judgement = { kind: 'wrong' };
const COUNTED = { kind: 'counted' } as const;
const NO_GUESS: Attempt = { kind: 'allowed', takeBack: () => undefined };

/** The judge of the threads, and of the client's attempts on all of them. */
export class CredentialJudge implements Judge {
  readonly #ports: JudgePorts;
  readonly #passwords: RememberedPasswords;
  /** A pipeline that repeats an outdated secret is refused each time, but uses up only one attempt. */
  readonly #secrets: RememberedPasswords;
  /** Checks in progress. Concurrent requests with the same credentials share one check. */
  readonly #pending = new Map<CredentialKey, Promise<Judgement>>();

  constructor(ports: JudgePorts) {
    this.#ports = ports;
    this.#passwords = new RememberedPasswords(ports.now);
    this.#secrets = new RememberedPasswords(ports.now);
  }

  /** Every password is checked again from now on, because the accounts have changed. */
  forget(): void {
    this.#passwords.forget();
  }

  password(asked: AskedPassword): MaybeAsync<Judgement> {
    const { name, password, hash, isDecoy, address } = asked;
    const key = this.#passwords.keyOf(name, isDecoy ? '' : hash.text, password);
    const forMs = this.#passwords.rightFor(key);
    if (forMs > 0) return this.#observed('remembered', { kind: 'right', forMs });
    // A client that repeats an outdated password costs no further hashes and uses up only one attempt.
    if (this.#passwords.isWrong(key)) return this.#observed('wrong', WRONG);
    const pending = this.#pending.get(key);
    if (pending !== undefined) return pending;
    // A password that was right before is not a guess, so others behind the same address cannot lock out its owner.
    const attempt = this.#passwords.wasRight(key) ? NO_GUESS : this.#ports.limiter.attempt(address, name);
    if (attempt.kind === 'later') return this.#observed('limited', attempt);
    const answer = this.#check(asked, key, attempt.takeBack).finally(() => this.#pending.delete(key));
    this.#pending.set(key, answer);
    return answer;
  }

  wrongSecret({ user, secret, address }: WrongSecret): { readonly kind: 'counted' } | Later {
    const key = this.#secrets.keyOf(user, '', secret);
    if (this.#secrets.isWrong(key)) return COUNTED;
    const attempt = this.#ports.limiter.attempt(address, user);
    if (attempt.kind === 'later') return attempt;
    this.#secrets.addWrong(key);
    return COUNTED;
  }

  async #check(asked: AskedPassword, key: CredentialKey, takeBack: () => void): Promise<Judgement> {
    const { password, hash, isDecoy, address } = asked;
    let isWrong = false;
    try {
      const checked = await this.#ports.checks.check(password, hash, clientOf(address));
      if (checked.kind === 'busy') return this.#observed('busy', BUSY);
      isWrong = isDecoy || !checked.isRight;
      if (isWrong) {
        this.#passwords.addWrong(key);
        return this.#observed('wrong', WRONG);
      }
      this.#passwords.addRight(key);
      return this.#observed('right', { kind: 'right', forMs: this.#passwords.rightFor(key) });
    } finally {
      if (!isWrong) takeBack();
    }
  }

  #observed(outcome: JudgedOutcome, judgement: Judgement): Judgement {
    this.#ports.observe(outcome);
    return judgement;
  }
}
