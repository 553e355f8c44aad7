import { Counter, Gauge, type Registry as Metrics } from 'prom-client';

const OUTCOMES = ['right', 'wrong', 'expired', 'limited', 'unavailable'] as const;

export interface ObservedRobots {
  readonly count: () => number;
  /** Seconds. */
  readonly age: () => number;
}

/** Robots, where access is restricted. */
export class RobotMetrics {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  /** Registers the metrics. @returns counts one answer to a login */
  observe({ count, age }: ObservedRobots): (outcome: (typeof OUTCOMES)[number]) => void {
    const registers = [this.#metrics];
    new Gauge({
      name: 'marina_robots',
      help: 'Robots that exist, as this node knows.',
      registers,
      collect() {
        this.set(count());
      },
    });
    new Gauge({
      name: 'marina_robots_age_seconds',
      help: 'How long ago this node last found its knowledge of robots to be up to date. Above 10 their log-ins are refused, above 300 their tokens too.',
      registers,
      collect() {
        this.set(age());
      },
    });
    const answers = new Counter({
      name: 'marina_robot_answers_total',
      help: 'Answers to log-ins of robots: right and wrong secrets, expired robots, limited after too many wrong ones, and unavailable where the node could not tell.',
      labelNames: ['outcome'],
      registers,
    });
    for (const outcome of OUTCOMES) answers.inc({ outcome }, 0);
    return (outcome) => answers.inc({ outcome });
  }
}
