import { LRUCache } from 'lru-cache';
import type { Change } from '../feed/change.ts';
import type { Cursor } from '../feed/cursor.ts';
import { ALL_CHANGES, type Feed } from '../feed/feed.ts';
import { type DescribeManifest, withManifests } from './changes-of-page.ts';

/** Changes of a page. */
const PAGE = 200;
/** Pages that are kept: webhooks that are up to date read the same ones at about the same time. */
const MAX_PAGES = 32;

/** A page of the feed, with all changes. */
export interface DescribedPage {
  readonly changes: readonly Change[];
  readonly cursor: Cursor;
  readonly more: boolean;
  /** The cursor just after a change. @param index in `changes` */
  readonly cursorAfter: (index: number) => Cursor;
}

/** Reads pages of the feed once for all webhooks. From one cursor the same changes always follow, so a page stays right. */
export class Pages {
  readonly #feed: Pick<Feed, 'page'>;
  readonly #describe: DescribeManifest;
  readonly #signal: AbortSignal;
  readonly #pages = new LRUCache<Cursor, Promise<DescribedPage>>({ max: MAX_PAGES });

  /** @param signal ends the reading of all webhooks */
  constructor(feed: Pick<Feed, 'page'>, describe: DescribeManifest, signal: AbortSignal) {
    this.#feed = feed;
    this.#describe = describe;
    this.#signal = signal;
  }

  /** @throws as `Feed.page` */
  async after(cursor: Cursor): Promise<DescribedPage> {
    let reading = this.#pages.get(cursor);
    if (reading === undefined) {
      reading = this.#read(cursor);
      this.#pages.set(cursor, reading);
    }
    try {
      const page = await reading;
      // More may come after the same cursor.
      if (page.cursor === cursor) this.#pages.delete(cursor);
      return page;
    } catch (error) {
      this.#pages.delete(cursor);
      throw error;
    }
  }

  async #read(cursor: Cursor): Promise<DescribedPage> {
    const page = await this.#feed.page(cursor, { filter: ALL_CHANGES, limit: PAGE, signal: this.#signal });
    const changes = await withManifests(page.changes, this.#describe);
    // Each cursor costs a seal, and all webhooks that are up to date pass the same ones.
    const cursors: Cursor[] = [];
    const cursorAfter = (index: number): Cursor => {
      cursors[index] ??= page.cursorAfter(index);
      return cursors[index];
    };
    return { ...page, changes, cursorAfter };
  }
}
