// A real browser that records everything that should not happen on a page.
import { expect } from 'bun:test';
import axe from 'axe-core';
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from 'playwright-core';
import { tools } from '../support/command.ts';

export interface Watched {
  readonly page: Page;
  /** Everything that should not happen: errors, violations of the policy, requests to other hosts, dialogs. */
  readonly faults: string[];
}

/** Only a guard against a page that hangs: on a loaded machine everything takes ten times as long. */
const WITHIN_MS = 240_000;

/** Chromium, for one server and what belongs to it. */
export class WatchedBrowser {
  readonly #browser: Browser;
  readonly #urls: readonly string[];

  private constructor(browser: Browser, urls: readonly string[]) {
    this.#browser = browser;
    this.#urls = urls;
  }

  /** @param urls of the server and of others that pages may lead to: requests to any other are faults */
  static async launch(...urls: readonly string[]): Promise<WatchedBrowser> {
    const [executablePath] = await tools('chromium');
    // Tests run as root, where Chromium's sandbox cannot be used.
    return new WatchedBrowser(await chromium.launch({ executablePath, args: ['--no-sandbox'] }), urls);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    const context = await this.#browser.newContext(options);
    context.setDefaultTimeout(WITHIN_MS);
    return context;
  }

  /** A page whose faults are recorded. */
  async watched(context: BrowserContext): Promise<Watched> {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      // Chromium reports the status of pages that say what is missing or refused.
      if (message.type() === 'error' && !/status of (?:4\d\d|503)/.test(message.text())) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('dialog', (dialog) => {
      faults.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = request.url();
      if (![...this.#urls, 'data:'].some((each) => url.startsWith(each))) faults.push(`a request to ${url}`);
    });
    return { page, faults };
  }

  /** Visits in a context of its own, in which nothing may go wrong. */
  async open(options: BrowserContextOptions, visit: (page: Page) => Promise<void>): Promise<void> {
    const context = await this.newContext(options);
    try {
      const { page, faults } = await this.watched(context);
      await visit(page);
      expect(faults).toEqual([]);
    } finally {
      await context.close();
    }
  }
}

/** Clicks on what leads to another page, and waits until that page is whole: what is read before may be only its beginning. */
export async function clickThrough(page: Page, target: Locator): Promise<void> {
  await Promise.all([page.waitForEvent('load'), target.click()]);
}

/** How far content is wider than the window. Needs scripts. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

/** What axe-core finds serious or critical. The page needs `bypassCSP`. @param options of `axe.run`, as source */
export async function seriousFaults(page: Page, options = ''): Promise<string[]> {
  await page.addScriptTag({ content: axe.source });
  return await page.evaluate<string[]>(
    `axe.run(${options}).then(({ violations }) => violations.filter(({ impact }) => impact === 'serious' || impact === 'critical').map(({ id, nodes }) => id + ' ' + nodes[0].html))`,
  );
}
