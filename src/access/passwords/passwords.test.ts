import { afterAll, describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import type { Authenticated } from '../authenticator.ts';
import { CredentialJudge, type JudgedOutcome } from '../credential-judge.ts';
import { GuessingLimiter } from '../guessing.ts';
import { labelOf } from '../identity.ts';
import { parseHtpasswd } from './htpasswd.ts';
import { PasswordChecks } from './password-checks.ts';
import { Passwords } from './passwords.ts';

const checks = new PasswordChecks(2);
afterAll(() => checks.close());

async function fileOf(accounts: Readonly<Record<string, string>>, cost = 4): Promise<string> {
  const lines = Object.entries(accounts).map(
    async ([name, password]) => `${name}:${await Bun.password.hash(password, { algorithm: 'bcrypt', cost })}\n`,
  );
  return (await Promise.all(lines)).join('');
}

function open(text: string, used = checks) {
  const outcomes: JudgedOutcome[] = [];
  const clock = { now: 0 };
  const now = (): number => clock.now;
  const observe = (outcome: JudgedOutcome): number => outcomes.push(outcome);
  const limiter = new GuessingLimiter(now);
  const judge = new CredentialJudge({ checks: used, limiter, now, observe });
  /** A thread that asks this judge. */
  const thread = (): Passwords => new Passwords(parseHtpasswd(text), { judge, now, observe });
  const passwords = thread();
  const replace = (accounts: ReturnType<typeof parseHtpasswd>): void => {
    passwords.replace(accounts);
    judge.forget();
  };
  const logIn = (name: string, password: string, address = '192.0.2.1') => passwords.basic(name, password, { address });
  return { passwords, replace, thread, logIn, outcomes, clock, limiter };
}

function knownUser(name: string): Authenticated {
  return { kind: 'known', authority: { kind: 'identity', identity: { kind: 'user', name } } };
}

const two = await fileOf({ alice: 'correct horse', bob: 'battery staple' });

describe('a password', () => {
  test('that is right gives the identity of the user', async () => {
    const { logIn } = open(two);
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    expect(await logIn('bob', 'battery staple')).toMatchObject(knownUser('bob'));
  });

  test('that is wrong, empty, for another account or for a missing one is refused, with a reason that does not show it', async () => {
    const { logIn } = open(two);
    for (const [name, password] of [
      ['alice', 'correct house'],
      ['alice', 'battery staple'],
      ['alice', ''],
      ['eve', 'correct horse'],
      ['', 'correct horse'],
      ['alice\n', 'correct horse'],
      ['ALICE', 'correct horse'],
      ['robot+ci', 'correct horse'],
      ['__proto__', 'correct horse'],
    ] as const) {
      const answer = await logIn(name, password);
      expect(answer.kind).toBe('refused');
      const { reason, account } = answer.kind === 'refused' ? answer : expect.unreachable();
      expect(reason).not.toMatch(/horse|house|staple|alice|eve/i);
      // A name that does not exist may be a password.
      expect<string | undefined>(account).toBe(name === 'alice' && password !== '' ? 'user:alice' : undefined);
    }
  });

  test('is cached for a minute, and then accepted synchronously', async () => {
    const { logIn, outcomes, clock } = open(two);
    expect(logIn('alice', 'correct horse')).toBeInstanceOf(Promise);
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    clock.now = 59_999;
    expect(logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    clock.now = 60_000;
    const again = logIn('alice', 'correct horse');
    expect(again).toBeInstanceOf(Promise);
    expect(await again).toMatchObject(knownUser('alice'));
    expect(outcomes).toEqual(['right', 'remembered', 'right']);
  });

  test('is accepted again without a check for a minute, unless the file is read again', async () => {
    const { logIn, outcomes, clock, passwords } = open(two);
    const again = async () => {
      const found = await logIn('alice', 'correct horse');
      return (found.kind === 'known' ? found.acceptAgain : undefined) ?? expect.unreachable();
    };
    const first = await again();
    clock.now = 59_999;
    expect(first()).toBe(true);
    clock.now = 60_000;
    expect(first()).toBe(false);
    const second = await again();
    passwords.replace(parseHtpasswd(two));
    expect(second()).toBe(false);
    expect(outcomes).toEqual(['right', 'remembered', 'right']);
  });

  test('of many concurrent requests is checked once', async () => {
    const { logIn, outcomes } = open(two);
    const answers = await Promise.all(Array.from({ length: 30 }, () => logIn('alice', 'correct horse')));
    expect(answers).toMatchObject(answers.map(() => knownUser('alice')));
    expect(outcomes).toEqual(['right']);
  });

  test('of more than 72 bytes is checked as in other registries: bcrypt ignores the rest', async () => {
    const text = await fileOf({ alice: 'x'.repeat(72) });
    const { logIn } = open(text);
    expect(await logIn('alice', `${'x'.repeat(72)}and more`)).toMatchObject(knownUser('alice'));
    expect((await logIn('alice', 'x'.repeat(71))).kind).toBe('refused');
  });

  test('with any characters is right, and one that differs in the first 72 bytes is wrong', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 }).map((each) => each.toWellFormed());
    const significant = (password: string): string => Buffer.from(password).subarray(0, 72).toString('hex');
    await fc.assert(
      fc.asyncProperty(text, text, async (password, other) => {
        const hash = await Bun.password.hash(Buffer.from(significant(password), 'hex'), {
          algorithm: 'bcrypt',
          cost: 4,
        });
        const { logIn } = open(`alice:${hash}`);
        expect(await logIn('alice', password)).toMatchObject(knownUser('alice'));
        const isSame = significant(other) === significant(password);
        expect((await logIn('alice', other)).kind).toBe(isSame ? 'known' : 'refused');
      }),
      { numRuns: 100 },
    );
  });

  test('can be checked against argon2id', async () => {
    const hash = await Bun.password.hash('correct horse', { algorithm: 'argon2id', memoryCost: 64, timeCost: 1 });
    const { logIn } = open(`alice:${hash}`);
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    expect((await logIn('alice', 'correct horse ')).kind).toBe('refused');
  });
});

describe('a file that is read again', () => {
  test('causes all passwords to be checked again', async () => {
    const { replace, logIn, outcomes } = open(two);
    await logIn('alice', 'correct horse');
    await logIn('eve', 'new password');
    replace(parseHtpasswd(two + (await fileOf({ eve: 'new password' }))));
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    expect(await logIn('eve', 'new password')).toMatchObject(knownUser('eve'));
    expect(outcomes).toEqual(['right', 'wrong', 'right', 'right']);
  });

  test('invalidates removed accounts and changed passwords, even while they are being checked', async () => {
    const { replace, logIn } = open(two);
    const changed = parseHtpasswd(await fileOf({ bob: 'another password' }));
    await logIn('alice', 'correct horse');
    const before = logIn('bob', 'battery staple');
    replace(changed);
    expect((await before).kind).toBe('refused');
    expect((await logIn('alice', 'correct horse')).kind).toBe('refused');
    expect((await logIn('bob', 'battery staple')).kind).toBe('refused');
    expect(await logIn('bob', 'another password')).toMatchObject(knownUser('bob'));
  });
});

describe('guessing', () => {
  test('is refused after ten wrong passwords, while other clients and cached passwords are accepted', async () => {
    const { logIn, clock, outcomes } = open(two);
    await logIn('alice', 'correct horse', '2001:db8::1');
    clock.now = 120_000;
    for (let n = 0; n < 10; n++) expect((await logIn('alice', `guess ${n}`, '2001:db8::2')).kind).toBe('refused');
    expect(await logIn('alice', 'guess 10', '2001:db8::3')).toEqual({ kind: 'later', retryAfterSeconds: 600 });
    // It was right before, so it does not count as a guess, but it is checked again.
    expect(await logIn('alice', 'correct horse', '2001:db8::4')).toMatchObject(knownUser('alice'));
    expect(logIn('alice', 'correct horse', '2001:db8::4')).toMatchObject(knownUser('alice'));
    expect((await logIn('bob', 'battery staple', '2001:db8::4')).kind).toBe('known');
    expect((await logIn('alice', 'guess 11', '192.0.2.1')).kind).toBe('refused');
    expect(outcomes.filter((outcome) => outcome === 'limited')).toHaveLength(1);
  });

  test('does not include sending the same wrong password repeatedly', async () => {
    const { logIn, outcomes } = open(two);
    expect((await logIn('alice', 'old password')).kind).toBe('refused');
    for (let n = 0; n < 100; n++)
      expect(logIn('alice', 'old password')).toEqual({
        ...{ kind: 'refused', reason: 'wrong password' },
        account: labelOf({ kind: 'user', name: 'alice' }),
      });
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    expect(outcomes.filter((outcome) => outcome === 'limited')).toEqual([]);
  });

  test('concurrently is limited like guessing consecutively', async () => {
    const { logIn } = open(two);
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => logIn('alice', `guess ${n}`)));
    expect(answers.filter(({ kind }) => kind === 'refused')).toHaveLength(10);
    expect(answers.filter(({ kind }) => kind === 'later')).toHaveLength(20);
  });
});

describe('threads that ask one judge', () => {
  const here = { address: '192.0.2.1' };

  test('count the guesses of a client together', async () => {
    const { thread } = open(two);
    const threads = Array.from({ length: 4 }, thread);
    const kinds: string[] = [];
    for (let n = 0; n < 12; n++) {
      const answer = await threads[n % 4]?.basic('alice', `guess ${n}`, here);
      kinds.push(answer?.kind ?? 'none');
    }
    expect(kinds).toEqual([...Array.from({ length: 10 }, () => 'refused'), 'later', 'later']);
  });

  test('count a wrong password once, whichever of them gets it', async () => {
    const { thread } = open(two);
    for (let n = 0; n < 30; n++) {
      const answer = await thread().basic('alice', 'old password', here);
      expect(answer.kind).toBe('refused');
    }
    expect(await thread().basic('alice', 'correct horse', here)).toMatchObject(knownUser('alice'));
  });

  test('check a right password once in a minute, however late a thread learns of it', async () => {
    const { thread, clock, outcomes } = open(two);
    const [one, other] = [thread(), thread()];
    await one.basic('alice', 'correct horse', here);
    clock.now = 59_000;
    expect(await other.basic('alice', 'correct horse', here)).toMatchObject(knownUser('alice'));
    clock.now = 59_999;
    expect(other.basic('alice', 'correct horse', here)).toMatchObject(knownUser('alice'));
    clock.now = 60_000;
    expect(other.basic('alice', 'correct horse', here)).toBeInstanceOf(Promise);
    expect(outcomes).toEqual(['right', 'remembered', 'remembered']);
  });

  test('share the check of requests that come at once', async () => {
    const { thread, outcomes } = open(two);
    const answers = Array.from({ length: 30 }, () => thread().basic('alice', 'correct horse', here));
    expect(await Promise.all(answers)).toMatchObject(answers.map(() => knownUser('alice')));
    expect(outcomes).toEqual(['right']);
  });
});

test('response times do not reveal which accounts exist', async () => {
  const { logIn } = open(await fileOf({ alice: 'correct horse', bob: 'battery staple' }, 8));
  const times: Record<'alice' | 'eve', number[]> = { alice: [], eve: [] };
  // In turns, so that other work on the machine slows both. Each from an address of its own, so that none is limited.
  for (let n = 0; n < 60; n++) {
    for (const name of ['alice', 'eve'] as const) {
      const begun = performance.now();
      expect((await logIn(name, `guess ${n}`, `198.51.100.${n}`)).kind).toBe('refused');
      times[name].push(performance.now() - begun);
    }
  }
  const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length / 2] ?? Number.NaN;
  const ratio = median(times.eve) / median(times.alice);
  expect(ratio).toBeGreaterThan(0.8);
  expect(ratio).toBeLessThan(1.25);
});

describe('the version of an account', () => {
  test('is the same for the same line, and changes with it', async () => {
    const { passwords } = open(two);
    const version = passwords.versionOf('alice');
    expect(version).toMatch(/^[\w-]{16}$/);
    expect(open(two).passwords.versionOf('alice')).toBe(version ?? '');
    expect(passwords.versionOf('bob')).not.toBe(version ?? '');
    passwords.replace(parseHtpasswd(await fileOf({ alice: 'correct horse' })));
    expect(passwords.versionOf('alice')).not.toBe(version ?? '');
    expect(passwords.versionOf('bob')).toBeUndefined();
  });
});

describe('checks', () => {
  test('do not block the serving thread and its pool', async () => {
    const slow = await fileOf({ alice: 'a', bob: 'b', carol: 'c', dave: 'd' }, 10);
    const { logIn } = open(slow);
    const accounts = ['alice', 'bob', 'carol', 'dave'];
    let isDone = false;
    const all = Promise.all(accounts.map((name) => logIn(name, 'guess'))).finally(() => {
      isDone = true;
    });
    let reads = 0;
    while (!isDone) {
      await Bun.file(import.meta.path).bytes();
      reads++;
    }
    await all;
    // Four checks on Bun's pool would let through one read for each at most.
    expect(reads).toBeGreaterThan(20);
  });

  test('are refused when too many wait, per client and in total, which does not count as guessing', async () => {
    const one = new PasswordChecks(1);
    const { logIn, limiter } = open(await fileOf({ alice: 'correct horse' }), one);
    const many = Array.from({ length: 50 }, (_, n) => logIn(`user${n}`, 'guess', '192.0.2.1'));
    const other = logIn('alice', 'correct horse', '192.0.2.2');
    const answers = await Promise.all(many);
    const busy = answers.filter(({ kind }) => kind === 'later');
    // One was checked immediately, and 32 waited.
    expect(busy).toHaveLength(50 - 33);
    expect(busy[0]).toEqual({ kind: 'later', retryAfterSeconds: 5 });
    expect(await other).toMatchObject(knownUser('alice'));
    // A counter for each wrong guess, and one for their client.
    expect(limiter.size).toBe(50 - busy.length + 1);
    one.close();
  });

  test('of a client whose turn comes are checked, although others fill the queue together', async () => {
    const one = new PasswordChecks(1);
    const { logIn } = open(await fileOf({ alice: 'correct horse' }), one);
    const guesses = Array.from({ length: 12 }, (_, client) =>
      Array.from({ length: 32 }, (_, n) => logIn(`user${n}`, 'guess', `192.0.2.${client + 10}`)),
    );
    expect(await logIn('alice', 'correct horse', '192.0.2.1')).toMatchObject(knownUser('alice'));
    await Promise.all(guesses.flat());
    one.close();
  });

  test('are refused if their turn does not come in time', async () => {
    const one = new PasswordChecks(1, 20);
    const { logIn } = open(await fileOf({ alice: 'correct horse' }, 12), one);
    const first = logIn('alice', 'guess 1');
    expect(await logIn('alice', 'guess 2')).toEqual({ kind: 'later', retryAfterSeconds: 5 });
    expect((await first).kind).toBe('refused');
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    one.close();
  });

  test('continue after a thread has ended', async () => {
    const one = new PasswordChecks(1);
    const { logIn, limiter } = open(await fileOf({ alice: 'correct horse' }, 12), one);
    const lost = Promise.resolve(logIn('alice', 'correct horse')).catch((error: unknown) => String(error));
    one.close();
    expect(await lost).toContain('the thread that checks passwords ended');
    expect(limiter.size).toBe(0);
    expect(await logIn('alice', 'correct horse')).toMatchObject(knownUser('alice'));
    one.close();
  });
});
