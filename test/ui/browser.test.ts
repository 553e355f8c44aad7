// The page in a real browser: with and without scripts, wide and narrow, light and dark, by keyboard, checked by axe-core.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { formatCompactTime, secondOf } from '../../src/past/moment.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { HOSTILE } from '../support/hostile-texts.ts';
import { indexed } from '../support/indexed.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { clickThrough, overflow, seriousFaults, WatchedBrowser } from './chromium.ts';
import { attach, builtImage, chart, pushMultiPlatform, pushVersions, README } from './content.ts';

setDefaultTimeout(300_000);

const REPO = 'harbour/services/berths';
const CHART = 'harbour/charts/berths';
const TIDES = 'harbour/services/tides';
const HOSTILE_REPO = 'strangers/image';
const PAGE = `/ui/repositories/${REPO}`;
const RULES = `
rules:
  - name: releases
    repositories: ['harbour/**']
    immutable: { tags: ['1.4.*'] }
    keep: [{ tags: ['1.*'] }, { pushedWithin: 20h }]
    deleteUntagged: 7d
`;
/** Every view with content. `{then}` is a moment at which there was some. */
const VIEWS = [
  '/ui/',
  '/ui/?under=harbour',
  '/ui/?q=berths',
  '/ui/?q=nothing-has-this-name',
  PAGE,
  `${PAGE}?sort=semver&q=1.`,
  `${PAGE}:latest`,
  `/ui/repositories/${CHART}:1.2.3`,
  `/ui/repositories/${HOSTILE_REPO}`,
  `/ui/repositories/${HOSTILE_REPO}:v1`,
  '/ui/changes',
  '/ui/changes?repository=harbour/**&show=all',
  '/ui/changes?repository=[',
  '/ui/access',
  '/ui/compare?a=nonsense here',
  `/ui/compare?a=${REPO}:1.3.0&b=${REPO}:1.4.0&platform=linux/amd64`,
  `/ui/compare?a=${TIDES}:1.0&b=${TIDES}:1.1`,
  `/ui/compare?a=${TIDES}:1.1&b=${HOSTILE_REPO}:v1`,
  `/ui/compare?a=${TIDES}@3&b=${TIDES}`,
  '/ui/at/{then}/',
  `/ui/at/{then}/repositories/${REPO}`,
  `/ui/at/{then}/repositories/${HOSTILE_REPO}:v1`,
  `/ui/at/20200101t000000z/repositories/${REPO}:latest`,
  '/ui/operations',
  '/ui/storage',
  `/ui/storage?repository=${REPO}`,
  `/ui/storage?repository=${HOSTILE_REPO}`,
  `${PAGE}/-/timeline`,
  '/ui/repositories/missing',
  '/ui/login',
];

let server: Server;
let browser: WatchedBrowser;
let imageDigest: string;
let then: string;
/** The first page while there was nothing, on a phone. */
let emptyPage: { readonly text: string; readonly overflow: number };
beforeAll(async () => {
  const RETENTION_FILE = join(temporaryFolder('rules'), 'retention.yaml');
  writeFileSync(RETENTION_FILE, RULES);
  server = await startServer({ THREADS: '1', RETENTION_FILE });
  browser = await WatchedBrowser.launch(server.url);
  await indexed(server.url, 0);
  await browser.open({ viewport: { width: 320, height: 640 } }, async (page) => {
    await page.goto(`${server.url}/ui/`);
    emptyPage = { text: (await page.locator('main').textContent()) ?? '', overflow: await overflow(page) };
  });
  await fill(server.url);
  await indexed(server.url, 4);
  then = formatCompactTime(secondOf(Date.now()));
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

async function fill(url: string): Promise<void> {
  const about = { 'org.opencontainers.image.description': 'Berths and tides', 'dev.marina.readme': README };
  for (const tag of ['1.3.0', '1.4.0']) {
    const whole = await pushMultiPlatform(url, REPO, tag, about);
    await attach(url, REPO, whole.descriptor);
  }
  const [first, second] = [
    builtImage({ os: 'linux', architecture: 'amd64' }),
    builtImage({ os: 'linux', architecture: 'arm64' }),
  ];
  await pushImage(url, REPO, first, 'latest');
  await pushImage(url, REPO, second, 'latest');
  imageDigest = first.descriptor.digest;
  await pushImage(url, CHART, chart(), '1.2.3');
  const labels = Object.fromEntries(HOSTILE.map((text, at) => [`${at}${text}`, text]));
  const readme = HOSTILE.map((text) => `${text}\n\n[link](${text})\n\n![picture](${text})`).join('\n\n');
  const strange = builtImage(
    { os: '<b>', architecture: '"><script>' },
    { labels, env: [...HOSTILE], command: HOSTILE.join(' ') },
  );
  const annotations = {
    ...labels,
    'dev.marina.readme': readme,
    'org.opencontainers.image.description': HOSTILE.join(' '),
  };
  await pushImage(
    url,
    HOSTILE_REPO,
    image({ layers: strange.blobs.slice(1), config: strange.blobs[0] ?? first, annotations }),
    'v1',
  );
  await pushVersions(url, TIDES);
}

const open: WatchedBrowser['open'] = (options, visit) => browser.open(options, visit);

test('what these tests watch for would be seen', async () => {
  const context = await browser.newContext();
  try {
    const { page, faults } = await browser.watched(context);
    await page.goto(server.url + PAGE);
    await page.evaluate(
      "document.body.setAttribute('style', 'color: red'); document.body.append(Object.assign(new Image(), { src: 'http://elsewhere.invalid/' })); setTimeout(() => { throw new Error('planted') })",
    );
    await eventually(() => {
      for (const fault of ['style-src', 'img-src', 'planted']) expect(faults.join('\n')).toContain(fault);
    });
  } finally {
    await context.close();
  }
});

describe.each([
  ['wide', { viewport: { width: 1440, height: 900 } }],
  [
    'narrow, dark and without scripts',
    { viewport: { width: 320, height: 640 }, colorScheme: 'dark', javaScriptEnabled: false },
  ],
] as const)('every view, %s', (_, options) => {
  test('loads nothing from elsewhere, violates no policy, and fits', async () => {
    await open(options, async (page) => {
      for (const view of VIEWS) {
        await page.goto(server.url + view.replace('{then}', then));
        expect(await page.locator('h1, .empty-title').first().isVisible()).toBe(true);
        expect([view, await widthOf(page, options)]).toEqual([view, 0]);
      }
    });
  });
});

/** Without scripts nothing can be evaluated in the page, so the widest element is asked for its place. */
async function widthOf(page: Page, { javaScriptEnabled }: BrowserContextOptions): Promise<number> {
  if (javaScriptEnabled !== false) return await overflow(page);
  const width = page.viewportSize()?.width ?? 0;
  const boxes = await Promise.all(
    (await page.locator('main, header.head, main > *').all()).map((each) => each.boundingBox()),
  );
  return Math.max(0, ...boxes.map((box) => (box === null ? 0 : box.x + box.width - width)));
}

test.each([
  ['light', ''],
  // Only colours differ.
  ['dark', '{ runOnly: ["color-contrast"] }'],
] as const)('axe-core finds nothing serious in any view, %s', async (colorScheme, options) => {
  await open({ viewport: { width: 1280, height: 900 }, colorScheme, bypassCSP: true }, async (page) => {
    for (const view of VIEWS) {
      await page.goto(server.url + view.replace('{then}', then));
      // Of the two pictures this page has one after the other, the one that stays.
      if (view === '/ui/storage') await page.locator('.treemap-tiles a').first().waitFor();
      const found = await seriousFaults(page, options);
      expect([view, found]).toEqual([view, []]);
    }
  });
});

test('the questions before a delete and before a tag is moved pass axe-core, and fit a phone', async () => {
  await open({ viewport: { width: 320, height: 640 }, bypassCSP: true }, async (page) => {
    const expectFine = async (title: string): Promise<void> => {
      await page.getByRole('heading', { level: 1, name: title }).waitFor();
      expect([title, await overflow(page), await seriousFaults(page, '')]).toEqual([title, 0, []]);
    };
    await page.goto(server.url + PAGE);
    for (const box of await page.getByRole('checkbox').filter({ visible: true }).all()) await box.check();
    await clickThrough(page, page.getByRole('button', { name: 'Delete chosen' }));
    await expectFine(`Delete 2 tags of ${REPO}?`);
    await page.goto(`${server.url}${PAGE}@${imageDigest}`);
    await page.getByLabel('Another tag for this manifest').fill('1.3.0');
    await clickThrough(page, page.getByRole('button', { name: 'Add tag' }));
    await expectFine(`Move 1.3.0 of ${REPO}?`);
  });
});

test('an image is shown with its commands, config and history, and an older value of its tag is restored without scripts', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}${PAGE}:latest`);
    expect(await page.locator('.steps').textContent()).toContain('COPY dist/harbour /usr/bin/harbour');
    expect(await page.locator('main').textContent()).toContain('HARBOUR_DEPTH');
    await page.getByText('Manifest as JSON').click();
    expect(await page.locator('.json-key').first().textContent()).toBe('"schemaVersion"');
    await clickThrough(page, page.getByRole('button', { name: 'Restore this' }).first());
    expect(page.url()).toBe(`${server.url}${PAGE}:latest`);
    expect(await page.locator('.digest-whole').textContent()).toContain(imageDigest);
  });
});

test('a tag is deleted after a question, and undone', async () => {
  await open({}, async (page) => {
    await page.goto(server.url + PAGE);
    await page.getByLabel('Choose all of this page').check();
    expect(await page.getByLabel('Choose 1.3.0').isChecked()).toBe(true);
    await page.getByLabel('Choose all of this page').uncheck();
    await page.getByLabel('Choose 1.3.0').check();
    await clickThrough(page, page.getByRole('button', { name: 'Delete chosen' }));
    expect(await page.locator('h1').textContent()).toContain('Delete 1 tag');
    await clickThrough(page, page.getByRole('button', { name: 'Delete 1 tag' }));
    await eventually(async () => {
      // The list follows the log, and the page waits for it only a moment.
      await page.reload();
      expect(await page.getByLabel('Choose 1.3.0').count()).toBe(0);
    });
    await clickThrough(page, page.getByRole('button', { name: 'Undo' }));
    await eventually(async () => {
      await page.goto(server.url + PAGE);
      expect(await page.getByLabel('Choose 1.3.0').count()).toBe(1);
    });
  });
});

test('tags are filtered while one types, and the address follows', async () => {
  await open({}, async (page) => {
    await page.goto(server.url + PAGE);
    await page.getByLabel('Filter tags').fill('1.4');
    await page.waitForURL(/q=1\.4/);
    expect(await page.locator('.tag-name').allInnerTexts()).toEqual(['1.4.0']);
    expect(await page.getByLabel('Filter tags').inputValue()).toBe('1.4');
  });
});

test('the page of changes shows a push while one looks, and only what its filter lets through', async () => {
  await open({}, async (page) => {
    await page.goto(`${server.url}/ui/changes?repository=live/*`);
    await pushImage(server.url, 'other/app', image(), 'unseen');
    await pushImage(server.url, 'live/app', image(), 'seen');
    const acknowledged = performance.now();
    await page.getByRole('link', { name: 'live/app:seen' }).waitFor();
    console.log(`a push was shown ${Math.round(performance.now() - acknowledged)} ms after its acknowledgement`);
    expect(await page.getByText('unseen').count()).toBe(0);
  });
});

test('the first page shows a push while one looks', async () => {
  await open({}, async (page) => {
    await page.goto(`${server.url}/ui/?under=live`);
    await page.locator('#recent[data-follow]').waitFor();
    await pushImage(server.url, 'other/app', image(), 'unseen-at-home');
    await pushImage(server.url, 'live/app', image(), 'seen-at-home');
    await page.getByRole('link', { name: 'live/app:seen-at-home' }).waitFor();
    expect(await page.locator('#recent').textContent()).not.toContain('unseen-at-home');
  });
});

test('by keyboard: the first Tab skips to the content, a slash goes to the search, and Enter finds', async () => {
  await open({}, async (page) => {
    await page.goto(server.url + PAGE);
    await page.keyboard.press('Tab');
    expect(await page.evaluate<string>('document.activeElement.textContent')).toContain('Skip to content');
    await page.keyboard.press('/');
    await page.keyboard.type('charts');
    await page.keyboard.press('Enter');
    await page.waitForURL(/\/ui\/\?q=charts/);
    expect(await page.locator('.repositories').textContent()).toContain('charts/');
  });
});

test.each([PAGE, `${PAGE}:latest`])(
  'Tab reaches everything of %s, each with a visible outline, in the order of the page',
  async (view) => {
    await open({ viewport: { width: 1280, height: 900 } }, async (page) => {
      await page.goto(server.url + view);
      const wanted = await page.evaluate<number>(`${KEYBOARD}; reachable().length`);
      expect(wanted).toBeGreaterThan(20);
      const stops: Stop[] = [];
      for (let tabs = 0; tabs <= wanted; tabs++) {
        await page.keyboard.press('Tab');
        const stop = await page.evaluate<Stop | null>('stopped()');
        if (stop === null) break;
        stops.push(stop);
      }
      expect(stops.filter(({ hasOutline, isSeen }) => !hasOutline || !isSeen)).toEqual([]);
      expect(stops.map(({ at }) => at)).toEqual(Array.from({ length: wanted }, (_, at) => at));
    });
  },
);

interface Stop {
  readonly what: string;
  /** Its place among everything that the keyboard should reach. */
  readonly at: number;
  readonly hasOutline: boolean;
  readonly isSeen: boolean;
}

/** Functions of the browser. Of radio buttons with one name Tab reaches the chosen one; its label has the outline. */
const KEYBOARD = `
  window.reachable = () => [...document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]')].filter(
    (each) => each.checkVisibility() && !each.disabled && each.type !== 'hidden' && (each.type !== 'radio' || each.checked),
  );
  window.stopped = () => {
    const focused = document.activeElement;
    if (focused === null || focused === document.body) return null;
    const marked = focused.type === 'radio' ? focused.labels[0] : focused;
    const { outlineStyle, outlineWidth } = getComputedStyle(marked);
    const { top, bottom, left, right } = marked.getBoundingClientRect();
    return {
      what: focused.outerHTML.slice(0, 120),
      at: reachable().indexOf(focused),
      hasOutline: outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1,
      isSeen: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
    };
  };
`;

test('the first page of an empty registry says how to push, and fits a phone', () => {
  expect(emptyPage.text).toContain('docker push');
  expect(emptyPage.overflow).toBe(0);
});

test('a page is printed on white in any theme, without what only works on a screen', async () => {
  await open({ colorScheme: 'dark' }, async (page) => {
    await page.goto(server.url + PAGE);
    await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
    const ground = await page.evaluate<string>("getComputedStyle(document.querySelector('.card')).backgroundColor");
    expect(ground).toBe('rgb(255, 255, 255)');
    for (const hidden of ['.head-nav', '.head-search', '.copy', '.button'])
      expect([hidden, await page.locator(hidden).filter({ visible: true }).count()]).toEqual([hidden, 0]);
  });
});

test('a digest is copied whole', async () => {
  await open({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await page.goto(`${server.url}${PAGE}@${imageDigest}`);
    await page.locator('.digest-whole .copy').click();
    // It is copied after the click.
    await eventually(async () =>
      expect(await page.evaluate<string>('navigator.clipboard.readText()')).toBe(imageDigest),
    );
  });
});
