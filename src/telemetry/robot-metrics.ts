import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

const OUTCOMES = ['right', 'wrong', 'expired', 'limited', 'unavailable'] as const;

export interface ObservedRobots {
  readonly count: () => number;
  /** Seconds. */
  readonly age: () => number;
}

/** Robots. There are no series without access control. */
export class RobotMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics. @returns a function that counts one answer to a login */
  observe({ count, age }: ObservedRobots): (outcome: (typeof OUTCOMES)[number]) => void {
    const registers = [this.#metrics];
    new Gauge({
      name: 'marina_robots',
      help: 'Robots that this node knows.',
      aggregator: 'max',
      registers,
      collect() {
        this.set(count());
      },
    });
    new Gauge({
      name: 'marina_robots_age_seconds',
      help: 'Seconds since the last successful poll for changes of robots. Above 10 their logins are refused, above 300 their tokens are refused too.',
      aggregator: 'max',
      registers,
      collect() {
        this.set(age());
      },
    });
    const answers = new Counter({
      name: 'marina_robot_answers_total',
      help: 'Answers to logins of robots: right and wrong secrets, expired robots, limited after too many wrong ones, and unavailable if the node could not check.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of OUTCOMES) answers.inc({ outcome }, 0);
    return (outcome) => answers.inc({ outcome });
  }
}
