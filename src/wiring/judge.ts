import { availableParallelism } from 'node:os';
import { CredentialJudge, type Judge, type Judgement } from '../access/credential-judge.ts';
import { GuessingLimiter } from '../access/guessing.ts';
import { PasswordChecks } from '../access/passwords/password-checks.ts';
import type { Config } from '../config.ts';
import type { Telemetry } from '../telemetry/metrics.ts';
import { offer, remote } from '../threads/calls.ts';
import type { Thread } from '../threads/thread.ts';

/** Threads that check passwords. Each may use the memory that a hash of HTPASSWD_FILE requires, up to 256 MiB. */
const MAX_CHECKING_THREADS = 4;

export interface OpenedJudge {
  readonly judge: Judge;
  /** To be called when the accounts have changed. */
  readonly forget: () => void;
  readonly close: () => void;
}

interface Ports {
  readonly thread: Thread;
  readonly telemetry: Telemetry;
}

/** The judge as the owner offers it. */
interface JudgeService {
  readonly password: (...asked: Parameters<Judge['password']>) => Promise<Judgement>;
  readonly wrongSecret: (
    ...wrong: Parameters<Judge['wrongSecret']>
  ) => Promise<Awaited<ReturnType<Judge['wrongSecret']>>>;
}

/** The judge of this process, which is in the owner thread (docs/decisions/0073). */
export function openJudge(config: Config, { thread, telemetry }: Ports): OpenedJudge {
  if (thread.kind === 'other') {
    const judge = remote<JudgeService>(thread.services.judge, ['password', 'wrongSecret']);
    // The owner reads the accounts itself.
    return { judge, forget: () => undefined, close: () => undefined };
  }
  const opened = openOwnJudge(config, telemetry);
  const { judge } = opened;
  const service: JudgeService = {
    password: async (asked) => await judge.password(asked),
    wrongSecret: async (wrong) => await judge.wrongSecret(wrong),
  };
  const others = thread.kind === 'owner' ? thread.others : [];
  for (const { services } of others) offer<JudgeService>(services.judge, service);
  return opened;
}

/** The threads that check passwords start on first use. */
function openOwnJudge({ htpasswdFile }: Config, telemetry: Telemetry): OpenedJudge {
  const now = (): number => performance.now();
  // At most half of the processors, so that serving threads always get some.
  const threads = Math.min(MAX_CHECKING_THREADS, Math.max(1, Math.floor(availableParallelism() / 2)));
  const checks = new PasswordChecks(threads);
  const observe = htpasswdFile === undefined ? () => undefined : telemetry.passwords.counter();
  const judge = new CredentialJudge({ checks, limiter: new GuessingLimiter(now), now, observe });
  return { judge, forget: () => judge.forget(), close: () => checks.close() };
}
