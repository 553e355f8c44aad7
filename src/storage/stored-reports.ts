import type { z } from 'zod';
import type { Key, ObjectStore, StoreReader } from './driver.ts';

/** @property request ULID of the operator's request that the run answers */
interface Report {
  readonly request?: string | undefined;
}

/**
 * The reports of runs of one kind, in the store, so that every node and command can read them: that of the last run, and that of the
 * last run that an operator requested, because a scheduled run may replace the first before the operator reads it.
 */
export class StoredReports<R extends Report> {
  readonly #keys: { readonly last: Key; readonly requested: Key };
  readonly #schema: z.ZodType<R>;

  constructor(keys: { readonly last: Key; readonly requested: Key }, schema: z.ZodType<R>) {
    this.#keys = keys;
    this.#schema = schema;
  }

  async save(driver: Pick<ObjectStore, 'put'>, report: R): Promise<void> {
    await driver.put(this.#keys.last, encode(report));
    if (report.request !== undefined) await this.answer(driver, report);
  }

  /** Answers the process that requested the run, without replacing the report of the last run. */
  async answer(driver: Pick<ObjectStore, 'put'>, report: R): Promise<void> {
    await driver.put(this.#keys.requested, encode(report));
  }

  /** @returns undefined before the first run */
  async last(driver: StoreReader): Promise<R | undefined> {
    return await this.#read(this.#keys.last, driver);
  }

  /** The report of the last run that an operator requested; undefined if there was none. */
  async lastRequested(driver: StoreReader): Promise<R | undefined> {
    return await this.#read(this.#keys.requested, driver);
  }

  /** @returns undefined also for a report that another version wrote in another form */
  async #read(key: Key, driver: StoreReader): Promise<R | undefined> {
    const bytes = await driver.read(key);
    if (bytes === undefined) return undefined;
    try {
      return this.#schema.safeParse(JSON.parse(new TextDecoder().decode(bytes))).data;
    } catch {
      return undefined;
    }
  }
}

function encode(report: Report): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(report)}\n`);
}
