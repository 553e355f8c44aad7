import type { InProgress, SharedTable } from '../system/shared-table.ts';
import type { LimitedRequest, SubjectCounts } from './subject-limits.ts';

/** How often a thread counts the bytes that arrived for uploads of unknown length. */
const COUNT_BYTES_MS = 100;

/** An upload of unknown length. */
interface Growing {
  readonly subject: string;
  readonly stats: { readonly received: number };
  /** Bytes that are counted already. */
  counted: number;
}

/**
 * What subjects have in progress on all threads: each request is decided and counted in one step. The bytes of uploads without an
 * announced length are counted on other threads up to 100 ms late.
 */
export class SharedSubjects implements SubjectCounts {
  readonly #subjects: SharedTable;
  readonly #growing = new Set<Growing>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(subjects: SharedTable) {
    this.#subjects = subjects;
  }

  enter(
    subject: string,
    { upload }: LimitedRequest,
    refusal: (inProgress: Readonly<InProgress>) => string | undefined,
  ): (() => void) | string {
    this.#countGrown(subject);
    const announced = upload?.announced ?? 0;
    const uploads = upload === undefined ? 0 : 1;
    const refused = this.#subjects.update(subject, (record) => {
      const reason = refusal(record);
      if (reason !== undefined) return reason;
      record.requests++;
      record.uploads += uploads;
      record.bytes += announced;
      return undefined;
    });
    if (refused !== undefined) return refused;
    const growing =
      upload === undefined || upload.announced !== undefined ? undefined : this.#watch(subject, upload.stats);
    return () => {
      if (growing !== undefined) this.#forget(growing);
      const bytes = growing?.counted ?? announced;
      this.#subjects.update(subject, (record) => {
        record.requests--;
        record.uploads -= uploads;
        record.bytes -= bytes;
      });
    };
  }

  #watch(subject: string, stats: Growing['stats']): Growing {
    const growing = { subject, stats, counted: 0 };
    this.#growing.add(growing);
    this.#timer ??= setInterval(() => this.#countGrown(undefined), COUNT_BYTES_MS);
    this.#timer.unref();
    return growing;
  }

  #forget(growing: Growing): void {
    this.#growing.delete(growing);
    if (this.#growing.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** @param subject undefined: of all subjects */
  #countGrown(subject: string | undefined): void {
    for (const growing of this.#growing) {
      const more = growing.stats.received - growing.counted;
      if (more === 0 || (subject !== undefined && growing.subject !== subject)) continue;
      growing.counted += more;
      this.#subjects.update(growing.subject, (record) => {
        record.bytes += more;
      });
    }
  }
}
