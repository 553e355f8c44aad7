import { timingSafeEqual } from 'node:crypto';
import { RegistryError } from '../../oci/errors.ts';
import type { Authenticated, BasicAuthenticator, MaybeAsync, Origin } from '../authenticator.ts';
import type { Judge } from '../credential-judge.ts';
import { labelOf } from '../identity.ts';
import { MAX_AGE_FOR_LOGIN_MS, MAX_AGE_FOR_TOKENS_MS } from './freshness.ts';
import { isExpired, nameInLogin, parseRobotName, type Robot, type RobotName } from './robot.ts';
import { hashSecret, isSecret, type SecretHash } from './secret.ts';

/** The result of a robot's login. */
export type RobotOutcome = 'right' | 'wrong' | 'expired' | 'limited' | 'unavailable';

export interface RobotLoginsPorts {
  readonly robots: () => ReadonlyMap<RobotName, Robot>;
  /** Age of `robots`, in milliseconds. */
  readonly age: () => number;
  /** The ULID that hashes of secrets in this store are bound to. */
  readonly secrets: string;
  readonly judge: Pick<Judge, 'wrongSecret'>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly observe: (outcome: RobotOutcome) => void;
}

const WRONG = 'no such robot, or wrong secret';
const NO_SECRET = 'the password does not have the form of a secret of a robot: it may be mistyped or truncated';
const EXPIRED = 'the robot has expired';
/** Stands for the hash of a robot that does not exist. */
const NO_HASH = '0'.repeat(64) as SecretHash;
const VERSION_CHARACTERS = 16;
const MAX_TOKEN_MS = 5 * 60_000;
const MIN_TOKEN_MS = 60_000;

/** Logins of robots, by Basic with `robot+<name>` and the secret. */
export class RobotLogins implements BasicAuthenticator {
  readonly #ports: RobotLoginsPorts;
  /** The same object for every login of a robot, because the gate uses it as a cache key. */
  readonly #known = new WeakMap<Robot, Authenticated>();

  constructor(ports: RobotLoginsPorts) {
    this.#ports = ports;
  }

  /**
   * A right secret is always accepted, even if others behind the same address have sent many wrong ones: secrets cannot be guessed, and
   * the limit only slows down clients that keep trying.
   * @throws RegistryError `unavailable` if this node may have missed that the robot was revoked
   */
  basic(user: string, password: string, origin: Origin): MaybeAsync<Authenticated> | undefined {
    const written = nameInLogin(user);
    if (written === undefined) return undefined;
    const { robots, secrets, judge, now, age } = this.#ports;
    const name = parseRobotName(written);
    const robot = name === undefined ? undefined : robots().get(name);
    // A name without a robot takes the same steps.
    const isRight = isSame(robot?.secret ?? NO_HASH, hashSecret(secrets, written, password));
    if (age() > MAX_AGE_FOR_LOGIN_MS) {
      this.#ports.observe('unavailable');
      throw new RegistryError('unavailable', 'the registry cannot check robots at the moment: try again later');
    }
    if (robot === undefined || !isRight) {
      const answer = refused(isSecret(password) ? WRONG : NO_SECRET, robot);
      const counted = judge.wrongSecret({ user, secret: password, address: origin.address });
      return counted instanceof Promise
        ? counted.then((each) => this.#wrong(each, answer))
        : this.#wrong(counted, answer);
    }
    return isExpired(robot, now())
      ? this.#observed('expired', refused(EXPIRED, robot))
      : this.#observed('right', this.#knownAs(robot));
  }

  /**
   * A text that changes with the robot's secret, so that tokens end with the secret. It is the same on every node and reveals nothing
   * about the secret.
   * @returns undefined if there is no such robot, if it has expired, or if this node's view of the robots is too old
   */
  versionOf(name: string): string | undefined {
    const robot = this.#find(name);
    if (robot === undefined || isExpired(robot, this.#ports.now())) return undefined;
    return this.#ports.age() > MAX_AGE_FOR_TOKENS_MS ? undefined : robot.secret.slice(0, VERSION_CHARACTERS);
  }

  /**
   * Lifetime of a new token of a robot in milliseconds: at most 5 minutes, and no longer than the robot's. Clients expect at least a
   * minute; if the robot expires earlier, its tokens still end with it (`versionOf`).
   * @param max lifetime of other tokens
   */
  tokenLifetime(name: string, max: number): number {
    const expires = this.#find(name)?.expires;
    const left = expires === undefined ? Number.POSITIVE_INFINITY : Date.parse(expires) - this.#ports.now();
    return Math.max(MIN_TOKEN_MS, Math.min(max, MAX_TOKEN_MS, left));
  }

  #find(text: string): Robot | undefined {
    const name = parseRobotName(text);
    return name === undefined ? undefined : this.#ports.robots().get(name);
  }

  #knownAs(robot: Robot): Authenticated {
    const known = this.#known.get(robot);
    if (known !== undefined) return known;
    const fresh: Authenticated = {
      kind: 'known',
      authority: { kind: 'identity', identity: { kind: 'robot', name: robot.name } },
      acceptAgain: () => this.#acceptAgain(robot),
    };
    this.#known.set(robot, fresh);
    return fresh;
  }

  /** A robot that was rotated or created again is another object. */
  #acceptAgain(robot: Robot): boolean {
    const { robots, now, age, observe } = this.#ports;
    const isCurrent = robots().get(robot.name) === robot && !isExpired(robot, now()) && age() <= MAX_AGE_FOR_LOGIN_MS;
    if (isCurrent) observe('right');
    return isCurrent;
  }

  #wrong(counted: Awaited<ReturnType<Judge['wrongSecret']>>, answer: Authenticated): Authenticated {
    return counted.kind === 'later' ? this.#observed('limited', counted) : this.#observed('wrong', answer);
  }

  #observed(outcome: RobotOutcome, answer: Authenticated): Authenticated {
    this.#ports.observe(outcome);
    return answer;
  }
}

function refused(reason: string, robot: Robot | undefined): Authenticated {
  if (robot === undefined) return { kind: 'refused', reason };
  return { kind: 'refused', reason, account: labelOf({ kind: 'robot', name: robot.name }) };
}

function isSame(one: SecretHash, other: SecretHash): boolean {
  return timingSafeEqual(Buffer.from(one), Buffer.from(other));
}
