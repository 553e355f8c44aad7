import { formatBytes } from '../../config/size.ts';
import { openBar, shortened } from '../progress-bar.ts';
import type { Tally } from './findings.ts';

const FORMAT = '{bar} {percentage}% | {objects} objects, {read} read | ETA {eta_formatted} | {repository}';

/** The progress of a check as one line, redrawn in place; draws nothing without a terminal. */
export class Progress {
  readonly #bar: ReturnType<typeof openBar>;
  readonly #tally: Tally;
  #unit: 'bytes' | 'repositories' = 'repositories';
  #total = 0;
  #done = 0;
  #repository = '';
  #bytesRead = 0;

  /** @param terminal where to draw; undefined: nowhere */
  constructor(tally: Tally, terminal: NodeJS.WriteStream | undefined) {
    this.#tally = tally;
    this.#bar = openBar(terminal, FORMAT);
  }

  /** @param unit of `total` */
  start(total: number, unit: 'bytes' | 'repositories'): void {
    this.#total = total;
    this.#unit = unit;
    this.#bar?.start(total, 0, this.#payload());
  }

  repository(name: string): void {
    this.#repository = name;
    this.#draw();
  }

  repositoryDone(): void {
    if (this.#unit === 'repositories') this.#advance(1);
  }

  read(bytes: number): void {
    this.#bytesRead += bytes;
    if (this.#unit === 'bytes') this.#advance(bytes);
  }

  /** Removes the line while something else is written to the same terminal. */
  async aside(write: () => Promise<void>): Promise<void> {
    if (this.#bar?.isActive !== true) return await write();
    this.#bar.stop();
    await write();
    this.#bar.start(this.#total, this.#done, this.#payload());
  }

  stop(): void {
    if (this.#bar?.isActive !== true) return;
    this.#bar.update(this.#total, this.#payload());
    this.#bar.stop();
  }

  #advance(by: number): void {
    // Content that is pushed during the check is checked, too, but does not count in the total.
    this.#done = Math.min(this.#total, this.#done + by);
    this.#draw();
  }

  #draw(): void {
    this.#bar?.update(this.#done, this.#payload());
  }

  #payload(): Readonly<Record<string, string | number>> {
    return {
      objects: this.#tally.objects,
      read: formatBytes(this.#bytesRead),
      repository: shortened(this.#repository),
    };
  }
}
