import { formatBytes } from '../../config/size.ts';
import type { openBar } from '../progress-bar.ts';

const BAR = '{bar} {percentage}% | {value} of {total} logs, {copied}';

/** The progress as one line; draws nothing without a terminal. */
export class LogsBar {
  readonly #bar: ReturnType<typeof openBar>;

  private constructor(bar: ReturnType<typeof openBar>) {
    this.#bar = bar;
  }

  /** Without a terminal the library for bars is not loaded. */
  static async open(): Promise<LogsBar> {
    if (!process.stderr.isTTY) return new LogsBar(undefined);
    const { openBar } = await import('../progress-bar.ts');
    return new LogsBar(openBar(process.stderr, BAR));
  }

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
