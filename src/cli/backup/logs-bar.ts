import { formatBytes } from '../../config/size.ts';
import { openBar } from '../progress-bar.ts';

const BAR = '{bar} {percentage}% | {value} of {total} logs, {copied}';

/** The progress as one line; draws nothing without a terminal. */
export class LogsBar {
  readonly #bar = openBar(process.stderr, BAR);

  show(logs: number, of: number, bytes: number): void {
    if (this.#bar === undefined) return;
    const payload = { copied: formatBytes(bytes) };
    if (!this.#bar.isActive) this.#bar.start(of, logs, payload);
    this.#bar.setTotal(of);
    this.#bar.update(logs, payload);
  }

  stop(): void {
    if (this.#bar?.isActive === true) this.#bar.stop();
  }
}
