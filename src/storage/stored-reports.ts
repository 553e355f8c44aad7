import type { z } from 'zod';
import { jsonOf } from '../oci/json.ts';
import type { Incarnation } from '../oci/names.ts';
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

  async #read(key: Key, driver: StoreReader): Promise<R | undefined> {
    return decode(await driver.read(key), this.#schema);
  }
}

/**
 * The reports of the last runs of one kind, in the store. Each is an object of its own, so that runs that end at the same time lose none.
 */
export class ReportSeries<R> {
  readonly #prefix: Key;
  readonly #keyOf: (run: Incarnation) => Key;
  readonly #schema: z.ZodType<R>;
  readonly #max: number;

  /** @param max how many are kept */
  constructor(
    keys: { readonly prefix: Key; readonly of: (run: Incarnation) => Key },
    schema: z.ZodType<R>,
    max: number,
  ) {
    this.#prefix = keys.prefix;
    this.#keyOf = keys.of;
    this.#schema = schema;
    this.#max = max;
  }

  /** Stores a report, and removes those of runs that are too long ago. What cannot be removed now is removed with the next report. */
  async add(driver: Pick<ObjectStore, 'put' | 'list' | 'delete'>, run: Incarnation, report: R): Promise<void> {
    await driver.put(this.#keyOf(run), encode(report));
    const keys = await this.#keys(driver);
    if (keys.length > this.#max) await driver.delete(keys.slice(0, -this.#max));
  }

  /** The newest one is the first. What another version wrote in another form is left out. */
  async list(driver: Pick<StoreReader, 'list' | 'read'>): Promise<R[]> {
    const keys = (await this.#keys(driver)).slice(-this.#max).reverse();
    const found = await Promise.all(keys.map(async (key) => decode(await driver.read(key), this.#schema)));
    return found.filter((report) => report !== undefined);
  }

  /** ULIDs are ordered by time. */
  async #keys(driver: Pick<StoreReader, 'list'>): Promise<Key[]> {
    const keys: Key[] = [];
    for await (const { key } of driver.list(this.#prefix)) keys.push(key);
    return keys;
  }
}

/** @returns undefined also for a report that another version wrote in another form */
function decode<R>(bytes: Uint8Array | undefined, schema: z.ZodType<R>): R | undefined {
  return bytes === undefined ? undefined : schema.safeParse(jsonOf(bytes)).data;
}

function encode(report: unknown): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(report)}\n`);
}
