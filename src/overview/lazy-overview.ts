import type { Overview } from './interface.ts';

/** An overview that is opened when it is first asked, so it costs nothing if it is not used. */
export class LazyOverview implements Overview {
  readonly #open: () => Promise<Overview>;
  #opened: Promise<Overview> | undefined;

  constructor(open: () => Promise<Overview>) {
    this.#open = open;
  }

  async search(...call: Parameters<Overview['search']>): ReturnType<Overview['search']> {
    return await (await this.#inner()).search(...call);
  }

  async repositories(...call: Parameters<Overview['repositories']>): ReturnType<Overview['repositories']> {
    return await (await this.#inner()).repositories(...call);
  }

  async tags(...call: Parameters<Overview['tags']>): ReturnType<Overview['tags']> {
    return await (await this.#inner()).tags(...call);
  }

  async totals(...call: Parameters<Overview['totals']>): ReturnType<Overview['totals']> {
    return await (await this.#inner()).totals(...call);
  }

  async storage(...call: Parameters<Overview['storage']>): ReturnType<Overview['storage']> {
    return await (await this.#inner()).storage(...call);
  }

  async sharers(...call: Parameters<Overview['sharers']>): ReturnType<Overview['sharers']> {
    return await (await this.#inner()).sharers(...call);
  }

  #inner(): Promise<Overview> {
    this.#opened ??= this.#open().catch((error: unknown) => {
      // The next call tries again.
      this.#opened = undefined;
      throw error;
    });
    return this.#opened;
  }
}
