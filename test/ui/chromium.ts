// A real browser that records everything that should not happen on a page.
import { expect } from 'bun:test';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { tools } from '../support/command.ts';

export interface Watched {
  readonly page: Page;
  /** Everything that should not happen: errors, violations of the policy, requests to other hosts, dialogs. */
  readonly faults: string[];
}

/** Chromium, for one server. */
export class WatchedBrowser {
  readonly #browser: Browser;
  readonly #url: string;

  private constructor(browser: Browser, url: string) {
    this.#browser = browser;
    this.#url = url;
  }

  /** @param url of the server: requests to any other are faults */
  static async launch(url: string): Promise<WatchedBrowser> {
    const [executablePath] = await tools('chromium');
    // Tests run as root, where Chromium's sandbox cannot be used.
    return new WatchedBrowser(await chromium.launch({ executablePath, args: ['--no-sandbox'] }), url);
  }

  async close(): Promise<void> {
    await this.#browser.close();
  }

  async newContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
    return await this.#browser.newContext(options);
  }

  /** A page whose faults are recorded. */
  async watched(context: BrowserContext): Promise<Watched> {
    const page = await context.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      // Chromium reports the status of pages that say that something is missing.
      if (message.type() === 'error' && !message.text().includes('status of 404')) faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('dialog', (dialog) => {
      faults.push(`a dialog: ${dialog.message()}`);
      void dialog.dismiss();
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(this.#url) && !url.startsWith('data:')) faults.push(`a request to ${url}`);
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

/** How far content is wider than the window. Needs scripts. */
export async function overflow(page: Page): Promise<number> {
  return await page.evaluate<number>('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}
