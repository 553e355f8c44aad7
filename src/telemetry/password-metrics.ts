import { Counter, type Registry as Metrics } from 'prom-client';

const OUTCOMES = ['right', 'wrong', 'remembered', 'limited', 'busy'] as const;

/** Logins with the accounts of HTPASSWD_FILE. */
export class PasswordMetrics {
  readonly #metrics: Metrics;
  #counter: ((outcome: (typeof OUTCOMES)[number]) => void) | undefined;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** @returns a function that counts one answer; the counter exists from the first call on */
  counter(): (outcome: (typeof OUTCOMES)[number]) => void {
    this.#counter ??= this.#register();
    return this.#counter;
  }

  #register(): (outcome: (typeof OUTCOMES)[number]) => void {
    const answers = new Counter({
      name: 'marina_password_answers_total',
      help: 'Answers to names and passwords: right and wrong ones, right ones remembered from the last minute, limited after too many wrong ones, and busy if too many were being checked.',
      labelNames: ['outcome'],
      registers: [this.#metrics],
    });
    for (const outcome of OUTCOMES) answers.inc({ outcome }, 0);
    // Looked up once, because a lookup by label takes nearly as long as a request with a remembered password.
    const counters = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, answers.labels({ outcome })]));
    return (outcome) => counters[outcome]?.inc();
  }
}
