import { SingleBar } from 'cli-progress';
import { formatBytes } from '../output.ts';
import type { Tally } from './findings.ts';

const REDRAWS_PER_SECOND = 10;
const REPOSITORY_WIDTH = 30;

/** How far a check is, as one line that is drawn over and over; nothing at all where nobody could see that. */
export class Progress {
  readonly #bar: SingleBar | undefined;
  readonly #tally: Tally;
  #unit: 'bytes' | 'repositories' = 'repositories';
  #total = 0;
  #done = 0;
  #repository = '';
  #bytesRead = 0;

  /** @param terminal where to draw; undefined: nowhere */
  constructor(tally: Tally, terminal: NodeJS.WriteStream | undefined) {
    this.#tally = tally;
    if (terminal === undefined) return;
    this.#bar = new SingleBar({
      stream: terminal,
      fps: REDRAWS_PER_SECOND,
      format: '{bar} {percentage}% | {objects} objects, {read} read | ETA {eta_formatted} | {repository}',
      barCompleteChar: '=',
      barIncompleteChar: '-',
      barsize: 24,
      clearOnComplete: true,
      // Cut at the edge of the terminal, whose own settings stay as they are: an interrupt leaves nothing to restore.
      linewrap: true,
    });
  }

  /** @param unit what is counted up to `total` */
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

  /** Takes the line away while something else is written to the same terminal. */
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
    // What is pushed meanwhile is checked as well, but was not counted.
    this.#done = Math.min(this.#total, this.#done + by);
    this.#draw();
  }

  #draw(): void {
    this.#bar?.update(this.#done, this.#payload());
  }

  #payload(): Readonly<Record<string, string | number>> {
    const name = this.#repository;
    return {
      objects: this.#tally.objects,
      read: formatBytes(this.#bytesRead),
      repository: name.length > REPOSITORY_WIDTH ? `${name.slice(0, REPOSITORY_WIDTH - 3)}...` : name,
    };
  }
}
