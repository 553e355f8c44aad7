// What scripts add to pages that have thousands of things: the picture of the storage, and a long timeline.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import type { Page } from 'playwright-core';
import type { RepositoryName } from '../../src/oci/names.ts';
import type { MappedPart, MappedRepository, StorageMap } from '../../src/ui/models/storage-map.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import { expectStatus, image, mediaTypes, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { WatchedBrowser } from './chromium.ts';

setDefaultTimeout(300_000);

const ITEMS = 5_000;
/** Tags that one request may set. */
const TAGS_OF_REQUEST = 250;
const LONG = 'team/busy';
const TIMELINE = `/ui/repositories/${LONG}/-/timeline`;
/** A page is smooth if its work for one frame takes no longer. What else the machine does makes the same work take more time. */
const FRAME_MS = 1_000 / 60;
const PATIENCE = 2;
/** A busy machine may paint so few in the time that what is done once, at the beginning and at the end, would be most of the work. */
const FEWEST_FRAMES = 10;
/** Only a guard: the timeline comes in 50 pages, one after another. */
const LOADED_WITHIN_MS = 240_000;
/** Entries that one page of the timeline has. */
const PAGE = 100;

let server: Server;
let browser: WatchedBrowser;
beforeAll(async () => {
  server = await startServer({ THREADS: '1' });
  for (const name of ['team/app', 'team/tools', 'base/debian']) await pushImage(server.url, name, image(), 'v1');
  const busy = image();
  await pushImage(server.url, LONG, busy);
  for (let first = 0; first < ITEMS; first += TAGS_OF_REQUEST) {
    const names = Array.from({ length: TAGS_OF_REQUEST }, (_, at): [string, string] => ['tag', `build-${first + at}`]);
    await expectStatus(
      201,
      `${server.url}/v2/${LONG}/manifests/${busy.descriptor.digest}?${new URLSearchParams(names)}`,
      {
        method: 'PUT',
        headers: { 'content-type': mediaTypes.manifest },
        body: new Uint8Array(busy.bytes),
      },
    );
  }
  await indexed(server.url, 4);
  browser = await WatchedBrowser.launch(server.url);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

async function visit(path: string, look: (page: Page) => Promise<void>): Promise<void> {
  await browser.open({ viewport: { width: 1440, height: 900 } }, async (page) => {
    await page.goto(server.url + path);
    await look(page);
  });
}

interface Frames {
  /** How long each lasted, in milliseconds. */
  readonly times: readonly number[];
  /** Processor time of the page's main thread for one frame, in milliseconds. It does not depend on what else the machine does. */
  readonly work: number;
}

/** Runs code in the page and measures frames meanwhile. @param start statements that begin something */
async function framesWhile(page: Page, start: string, milliseconds: number): Promise<Frames> {
  const session = await page.context().newCDPSession(page);
  await session.send('Performance.enable', { timeDomain: 'threadTicks' });
  const worked = async (): Promise<number> => {
    const { metrics } = await session.send('Performance.getMetrics');
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN;
  };
  const before = await worked();
  const times = await page.evaluate<number[]>(`new Promise((resolve) => {
    const times = [];
    const end = performance.now() + ${milliseconds};
    let last;
    const tick = (now) => {
      if (last !== undefined) times.push(now - last);
      last = now;
      if (now < end || times.length < ${FEWEST_FRAMES}) requestAnimationFrame(tick);
      else resolve(times);
    };
    ${start}
    requestAnimationFrame(tick);
  })`);
  const work = (((await worked()) - before) * 1_000) / times.length;
  await session.detach();
  return { times, work };
}

function expectSmooth(what: string, { times, work }: Frames): void {
  const sorted = times.toSorted((one, other) => one - other);
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? Number.POSITIVE_INFINITY;
  console.log(
    `${what}: ${work.toFixed(1)} ms of work for a frame; ${times.length} frames, median ${at(0.5).toFixed(1)} ms, 95 % ${at(0.95).toFixed(1)} ms`,
  );
  expect(work).toBeLessThan(FRAME_MS * PATIENCE);
}

/** As large as an answer can be. */
function largeMap(): StorageMap {
  const repositories = Array.from({ length: 100 }, (_, number): MappedRepository => {
    const parts = Array.from({ length: ITEMS / 100 }, (_unused, at): MappedPart => {
      const digest = `sha256:${String(number * 100 + at).padStart(16, '0')}`;
      return [digest, Math.round(1e9 / (number + 2) / (at + 1)), at % 3 === 0 ? 4 : 0];
    });
    const bytes = parts.reduce((sum, [, size]) => sum + size, 0);
    return { name: `team/app-${number}` as RepositoryName, bytes, shared: 0, parts, rest: { count: 0, bytes: 0 } };
  });
  return { repositories, rest: { count: 900, bytes: 1e8 } };
}

test('the picture of 5,000 parts goes into a repository and back without a long frame', async () => {
  await browser.open({ viewport: { width: 1440, height: 900 } }, async (page) => {
    await page.route('**/ui/storage/map', (route) => route.fulfill({ json: largeMap() }));
    const tiles = page.locator('.treemap-tiles a');
    await page.goto(`${server.url}/ui/storage`);
    await eventually(async () => expect(await tiles.count()).toBe(101));
    const into = await framesWhile(page, "document.querySelector('.treemap-tiles a').click();", 600);
    await page.getByRole('link', { name: 'team/app-0', exact: true }).waitFor();
    await eventually(async () => expect(await tiles.count()).toBe(50));
    const back = await framesWhile(page, "document.querySelector('[data-treemap-bar] button').click();", 600);
    await eventually(async () => expect(await tiles.count()).toBe(101));
    expectSmooth('into a repository', into);
    expectSmooth('and back', back);
  });
});

test.each(['/ui/', '/ui/storage', `/ui/storage?repository=${LONG}`, TIMELINE])(
  'nothing jumps while %s is loaded',
  async (path) => {
    await visit(path, async (page) => {
      if (path === '/ui/storage') await page.locator('.treemap-tiles a').first().waitFor();
      const jumped = await page.evaluate<number>(`new Promise((resolve) => {
      let sum = 0;
      new PerformanceObserver((list) => {
        for (const { value } of list.getEntries()) sum += value;
      }).observe({ type: 'layout-shift', buffered: true });
      // Entries come after the next frame.
      requestAnimationFrame(() => setTimeout(() => resolve(sum), 200));
    })`);
      expect(jumped).toBe(0);
    });
  },
);

test('the picture can be used by keyboard alone', async () => {
  await visit('/ui/storage', async (page) => {
    const tile = page.locator('.treemap-tiles a[aria-label^="team/app "]');
    await tile.waitFor();
    await tile.focus();
    expect(await page.locator('[data-treemap-hint]').textContent()).toContain('team/app');
    await page.keyboard.press('Enter');
    const back = page.getByRole('button', { name: 'All repositories' });
    await back.waitFor();
    expect(await page.evaluate<string>('document.activeElement.textContent')).toBe('All repositories');
    await eventually(async () => expect(await page.locator('.treemap-tiles a[href*="q=sha256"]').count()).toBe(3));
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.href')).toContain('q=sha256');
    await page.keyboard.press('Escape');
    await eventually(async () =>
      expect(await page.evaluate<string>('document.activeElement.getAttribute("aria-label")')).toContain('team/app '),
    );
  });
});

test('a timeline of 5,000 changes is loaded as one reads, and scrolls without long frames', async () => {
  await visit(TIMELINE, async (page) => {
    const entries = page.locator('#timeline li');
    expect(await entries.count()).toBeGreaterThanOrEqual(PAGE);
    await eventually(async () => {
      await page.evaluate('scrollTo(0, document.body.scrollHeight)');
      expect(await entries.count()).toBeGreaterThanOrEqual(ITEMS);
    }, LOADED_WITHIN_MS);
    expect(await page.locator('#timeline li').last().textContent()).toContain('build-0');
    await page.evaluate('scrollTo(0, 0)');
    const scrolling = 'const scroll = () => { scrollBy(0, 120); requestAnimationFrame(scroll); }; scroll();';
    expectSmooth('scrolling', await framesWhile(page, scrolling, 1_500));
  });
});

test('by keyboard the end of a page leads to the next entries, and without scripts to the next page', async () => {
  await visit(TIMELINE, async (page) => {
    const before = await page.locator('#timeline li').count();
    await page.locator('#timeline li a').last().focus();
    await page.keyboard.press('Tab');
    await eventually(async () => expect(await page.locator('#timeline li').count()).toBeGreaterThan(before));
  });
  await browser.open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(server.url + TIMELINE);
    const newest = page.locator('#timeline .moment-text').first();
    const first = await newest.textContent();
    await page.getByRole('link', { name: 'Earlier' }).click();
    await page.waitForURL(/before=/);
    expect(await newest.textContent()).not.toBe(first);
    await page.getByRole('link', { name: 'Newest' }).click();
    await page.waitForURL(server.url + TIMELINE);
    expect(await newest.textContent()).toBe(first);
  });
});
