// The command palette in a real browser, by keyboard only.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { HOSTILE } from '../support/hostile-texts.ts';
import { indexed } from '../support/indexed.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { seriousFaults, WatchedBrowser } from './chromium.ts';

setDefaultTimeout(300_000);

const REPO = 'harbour/services/berths';
let server: Server;
let browser: WatchedBrowser;
let digest: string;
beforeAll(async () => {
  server = await startServer({ THREADS: '1' });
  const first = image();
  digest = first.descriptor.digest;
  await pushImage(server.url, REPO, first, '1.4.0');
  await pushImage(server.url, 'harbour/services/tides', image(), 'latest');
  const annotations = Object.fromEntries(HOSTILE.map((text, at) => [`${at}${text}`, `strange ${text}`]));
  await pushImage(server.url, 'strangers/image', image({ annotations }), 'v1');
  await indexed(server.url, 3);
  // Labels are in manifests, which the index reads after it has listed the tags.
  await eventually(async () => {
    const answer = await fetch(`${server.url}/ui/jump?q=strange+evil.example`);
    expect(await answer.text()).toContain('role="option"');
  });
  browser = await WatchedBrowser.launch(server.url);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

async function open(visit: (page: Page) => Promise<void>, options: BrowserContextOptions = {}): Promise<void> {
  await browser.open(options, visit);
}

/**
 * Opens the palette on the first page, and types all of the text at once. Between single keys a busy machine may pause for so long that the
 * palette shows what it finds for the first of them.
 */
async function type(page: Page, text: string, key = '/'): Promise<void> {
  await page.goto(`${server.url}/ui/`);
  await page.keyboard.press(key);
  await page.keyboard.insertText(text);
}

const field = (page: Page) => page.getByRole('combobox');
const options = (page: Page) => page.getByRole('option');

async function chosen(page: Page): Promise<string | null> {
  const id = await field(page).getAttribute('aria-activedescendant');
  return id === null ? null : await page.locator(`#${id}`).getAttribute('href');
}

describe('by keyboard', () => {
  test.each([
    ['a repository', 'tides', 'tides', '/ui/repositories/harbour/services/tides'],
    ['a tag', 'berths:1.4', '1.4.0', `/ui/repositories/${REPO}:1.4.0`],
  ])('it jumps to %s', async (_, text, shown, address) => {
    await open(async (page) => {
      await type(page, text, 'Control+k');
      await options(page).filter({ hasText: shown }).first().waitFor();
      await page.keyboard.press('ArrowDown');
      expect(await chosen(page)).toBe(address);
      await page.keyboard.press('Enter');
      await page.waitForURL(server.url + address);
    });
  });

  test('it jumps to a digest', async () => {
    await open(async (page) => {
      await type(page, digest.slice(0, 'sha256:'.length + 12));
      await options(page).first().waitFor();
      await page.keyboard.press('ArrowUp');
      await page.keyboard.press('Enter');
      await page.waitForURL(`${server.url}/ui/repositories/${REPO}@${digest}`);
    });
  });

  test('Enter without a choice searches, and Escape closes it and gives the focus back', async () => {
    await open(async (page) => {
      await page.goto(`${server.url}/ui/changes`);
      await page.getByRole('link', { name: 'Changes' }).first().focus();
      await page.keyboard.press('/');
      expect(await field(page).isVisible()).toBe(true);
      await page.keyboard.type('/berths');
      expect(await field(page).inputValue()).toBe('/berths');
      await page.keyboard.press('Escape');
      expect(await field(page).isVisible()).toBe(false);
      expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('Changes');
      // What was typed is there again, and marked, so that typing replaces it.
      await page.keyboard.press('Control+k');
      expect(await field(page).inputValue()).toBe('/berths');
      await page.keyboard.type('tides');
      await page.keyboard.press('Enter');
      await page.waitForURL(`${server.url}/ui/?q=tides`);
    });
  });

  test('the arrow keys go through the matches and back to the field, which keeps the focus', async () => {
    await open(async (page) => {
      await type(page, 'harbour');
      await eventually(async () => expect(await options(page).count()).toBe(2));
      const seen: (string | null)[] = [];
      for (let each = 0; each < 4; each++) {
        await page.keyboard.press('ArrowDown');
        seen.push(await chosen(page));
      }
      const [first, second] = seen;
      expect(first).not.toBe(second);
      expect(seen).toEqual([first ?? '', second ?? '', null, first ?? '']);
      expect(await page.locator('[role="option"][aria-selected="true"]').count()).toBe(1);
      expect(await field(page).getAttribute('aria-expanded')).toBe('true');
      expect(await page.evaluate<string>('document.activeElement.getAttribute("role")')).toBe('combobox');
      // Tab does not leave the dialog.
      await page.keyboard.press('Tab');
      expect(await page.evaluate<boolean>('document.activeElement.closest(".head, main, .foot") === null')).toBe(true);
    });
  });
});

test('it waits for a pause, and a late answer never replaces a newer one', async () => {
  await open(async (page) => {
    const asked: string[] = [];
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await page.route('**/ui/jump?*', async (route) => {
      const q = new URL(route.request().url()).searchParams.get('q') ?? '';
      asked.push(q);
      if (q === 'tid') await released;
      // It fails where the page has aborted the request by then.
      await route.continue().catch(() => {});
    });
    // The clock of the page moves only when the test says so.
    await page.clock.install();
    await page.goto(`${server.url}/ui/`);
    await page.clock.pauseAt(Date.now() + 3_600_000);
    const typeQuickly = async (text: string): Promise<void> => {
      for (const letter of text) {
        await page.clock.runFor(100);
        await page.keyboard.press(letter);
      }
    };
    await page.keyboard.press('/');
    await typeQuickly('tid');
    await page.clock.runFor(1_000);
    await eventually(() => expect(asked).toEqual(['tid']));
    await page.keyboard.press('Control+a');
    await typeQuickly('berths');
    await page.clock.runFor(1_000);
    await options(page).first().waitFor();
    release();
    expect(asked).toEqual(['tid', 'berths']);
    for (let each = 0; each < 20; each++) {
      expect(await options(page).first().textContent()).toContain('berths');
      await page.waitForTimeout(10);
    }
  });
});

test('an answer that comes after a choice keeps the choice, and typing ends it', async () => {
  await open(async (page) => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    await page.route('**/ui/jump?q=harbour', async (route) => {
      await released;
      await route.continue();
    });
    await type(page, 'harb');
    await eventually(async () => expect(await options(page).count()).toBe(2));
    await page.evaluate('document.querySelector(".palette-list").classList.add("of-harb")');
    const asked = page.waitForRequest('**/ui/jump?q=harbour');
    await page.keyboard.insertText('our');
    await asked;
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('ArrowDown');
    const before = await chosen(page);
    expect(before).toStartWith('/ui/repositories/harbour/');
    release();
    await eventually(async () => expect(await page.locator('.of-harb').count()).toBe(0));
    expect(await chosen(page)).toBe(before);
    await page.keyboard.type('/');
    expect(await chosen(page)).toBeNull();
  });
});

test('it says when nothing is found, and when the registry cannot be reached', async () => {
  await open(async (page) => {
    await type(page, 'nothing-has-this-name');
    const status = page.locator('[data-palette-status]');
    await eventually(async () => expect(await status.textContent()).toBe('Nothing was found.'));
    await page.route('**/ui/jump?*', (route) => route.fulfill({ status: 404, body: 'no' }));
    await page.keyboard.type('x');
    await eventually(async () => expect(await status.textContent()).toContain('failed'));
    expect(await options(page).count()).toBe(0);
  });
});

test('texts of strangers stay text in it', async () => {
  await open(async (page) => {
    for (const text of ['strange alert', 'strange evil.example', 'strange']) {
      await type(page, text);
      await options(page).first().waitFor();
      expect(await page.locator('.palette :is(script, img, iframe, style, b b)').count()).toBe(0);
    }
  });
});

test.each(['light', 'dark'] as const)('axe-core finds nothing serious in it, %s', async (colorScheme) => {
  await open(
    async (page) => {
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      await page.route('**/ui/jump?*', async (route) => {
        await released;
        await route.continue();
      });
      await type(page, 'harbour');
      expect(await seriousFaults(page)).toEqual([]);
      release();
      await options(page).first().waitFor();
      await page.keyboard.press('ArrowDown');
      expect(await seriousFaults(page)).toEqual([]);
    },
    { colorScheme, bypassCSP: true },
  );
});

test('it fits a narrow window', async () => {
  await open(
    async (page) => {
      await type(page, 'strange');
      await options(page).first().waitFor();
      const box = await page.locator('.palette').boundingBox();
      expect([(box?.x ?? 0) >= 0, (box?.x ?? 0) + (box?.width ?? 400) <= 320]).toEqual([true, true]);
      expect(await page.evaluate<number>('document.querySelector(".palette-list").scrollWidth')).toBeLessThanOrEqual(
        await page.evaluate<number>('document.querySelector(".palette-list").clientWidth'),
      );
    },
    { viewport: { width: 320, height: 640 } },
  );
});

test('without scripts it is not there, and the search box finds the same', async () => {
  await open(
    async (page) => {
      await page.goto(`${server.url}/ui/`);
      expect(await field(page).isVisible()).toBe(false);
      await page.getByRole('searchbox').fill('tides');
      await page.getByRole('searchbox').press('Enter');
      await page.waitForURL(`${server.url}/ui/?q=tides`);
      expect(await page.locator('.repositories').textContent()).toContain('tides');
    },
    { javaScriptEnabled: false },
  );
});
