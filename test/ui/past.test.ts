// Comparisons and the past on the page, with two versions of an image of which one was deleted, in a real browser.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import type { Image } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { clickThrough, WatchedBrowser } from './chromium.ts';
import { pushVersions } from './content.ts';

setDefaultTimeout(300_000);

const REPO = 'harbour/tides';
const PAGE = `/ui/repositories/${REPO}`;

let server: Server;
let browser: WatchedBrowser;
let first: Image;
let second: Image;
/** The second in which both versions were there. */
let then: string;
beforeAll(async () => {
  server = await startServer({ THREADS: '1' });
  ({ first, second } = await pushVersions(server.url, REPO, nextSecond));
  then = new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, '').toLowerCase();
  await nextSecond();
  const deleted = await fetch(`${server.url}/v2/${REPO}/manifests/${first.descriptor.digest}`, { method: 'DELETE' });
  expect(deleted.status).toBe(202);
  await indexed(server.url, 1);
  browser = await WatchedBrowser.launch(server.url);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

/** Waits until the clock shows another second: the page tells moments apart by seconds. */
async function nextSecond(): Promise<void> {
  const now = Date.now();
  await Bun.sleep(1_000 - (now % 1_000));
  while (Math.floor(Date.now() / 1_000) === Math.floor(now / 1_000)) await Bun.sleep(10);
}

const past = (rest = ''): string => `/ui/at/${then}z/repositories/${REPO}${rest}`;

async function open(options: BrowserContextOptions, visit: (page: Page) => Promise<void>): Promise<void> {
  await browser.open(options, visit);
}

/** The rows of a table of differences: the sign's word, the name, and the values. */
async function rowsOf(page: Page, title: string): Promise<string[]> {
  const rows = page.locator('section', { has: page.getByRole('heading', { name: title }) }).locator('tbody tr');
  return (await rows.allInnerTexts()).map((text) => text.replaceAll(/\s+/g, ' ').trim());
}

test('two versions are compared by layers, config, annotations and packages, the deleted one as it was', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/ui/compare?a=${REPO}:1.0@${isoOf(then)}&b=${REPO}:latest`);
    const layers = await rowsOf(page, 'Layers');
    expect(layers.map((row) => row.split(' ')[1])).toEqual(['Same', 'Same', 'Gone', 'Added', 'Same', 'Added']);
    expect(layers[2]).toContain('COPY dist/harbour-serve-1.0');
    const fields = (await rowsOf(page, 'Config and annotations')).join('\n');
    for (const each of [
      'Changed HARBOUR_DEPTH 12 14',
      'Gone 8080/tcp set –',
      'Added 8443/tcp – set',
      'Changed org.opencontainers.image.version serve-1.0 serve-1.1',
      'Changed Entrypoint ["/usr/bin/harbour","serve-1.0"] ["/usr/bin/harbour","serve-1.1"]',
      'Changed org.opencontainers.image.revision serve-1.0-1f2e3d serve-1.1-1f2e3d',
    ])
      expect(fields).toContain(each);
    expect(fields).not.toContain('User');
    expect(await rowsOf(page, 'Packages')).toEqual([
      '+ Added ca-certificates – 20260601',
      '~ Changed musl 1.2.5-r0 1.2.5-r4',
      '~ Changed openssl 3.3.1 3.5.1',
      '− Gone tzdata 2026a –',
    ]);
    expect(await page.locator('main').textContent()).toContain('1 the same');
    await clickThrough(page, page.getByRole('link', { name: 'Swap sides' }));
    expect(await page.getByRole('combobox', { name: 'Before' }).inputValue()).toBe(`${REPO}:latest`);
  });
});

test('the history of a tag leads to the difference from before', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}${PAGE}:latest`);
    await clickThrough(page, page.getByRole('link', { name: 'Compare', exact: true }).last());
    expect(await page.getByRole('combobox', { name: 'Before' }).inputValue()).toMatch(
      new RegExp(`^${REPO}:latest@\\d+$`),
    );
    const digests = await page
      .locator('.side .digest')
      .evaluateAll((all) => all.map((each) => each.getAttribute('title')));
    expect(digests).toEqual([first.descriptor.digest, second.descriptor.digest]);
  });
});

test('a side is chosen from the tags of the repository', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}${PAGE}:latest`);
    await clickThrough(page, page.getByRole('link', { name: 'Compare', exact: true }).first());
    await clickThrough(page, page.getByRole('link', { name: `${REPO}:1.1` }));
    expect(await page.locator('main').textContent()).toContain('Both are the same manifest.');
  });
});

test.each([
  ['a=nothing here&b=x', 400, 'What can be compared'],
  [`a=${REPO}:1.1&b=${REPO}:missing`, 404, 'missing'],
  [`a=${REPO}&b=${REPO}:1.1`, 400, 'Compare two tags or digests'],
  [`a=${REPO}@1&b=other/app@1`, 400, 'the same repository'],
  [`a=${REPO}:1.1@9999&b=${REPO}:1.1`, 400, 'ends at slot'],
] as const)('a comparison that cannot be made says why, and keeps its form: %s', async (query, status, text) => {
  await open({ javaScriptEnabled: false }, async (page) => {
    const response = await page.goto(`${server.url}/ui/compare?${query}`);
    expect(response?.status()).toBe(status);
    expect(await page.locator('main').textContent()).toContain(text);
    expect(await page.getByRole('combobox', { name: 'After' }).inputValue()).not.toBe('');
  });
});

test('a comparison below a moment is of both as they were then, unless a side has a moment of its own', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    const sides = (a: string, b: string): string => `${new URLSearchParams({ a, b })}`;
    await page.goto(`${server.url}/ui/at/${then}z/compare?${sides(`${REPO}:1.0`, `${REPO}:latest`)}`);
    expect(await page.locator('main').textContent()).toContain('Layers');
    await page.goto(`${server.url}/ui/at/${then}z/compare?${sides(`${REPO}:1.0`, `${REPO}:1.0@9999`)}`);
    expect(await page.locator('main').textContent()).toContain('ends at slot');
    const { status } = await fetch(`${server.url}/ui/at/${then}z/compare/more`);
    expect(status).toBe(404);
  });
});

test('two moments of a repository are compared by their tags', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(server.url + past());
    await clickThrough(page, page.getByRole('link', { name: 'Compare with now' }));
    expect(await rowsOf(page, 'Tags')).toEqual([expect.stringContaining('Gone 1.0')]);
  });
});

test('the feed leads to a deleted manifest as it was, with how to pull it, and it is restored from there', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${server.url}/ui/changes`);
    const deleted = page.locator('.moment', { hasText: 'deleted' }).first();
    await clickThrough(page, deleted.getByRole('link', { name: 'Before' }));
    expect(new URL(page.url()).pathname).toMatch(/^\/ui\/at\/\d{8}t\d{6}z\/repositories\/harbour\/tides:1\.0$/);
    const text = await page.locator('main').textContent();
    expect(text).toContain('As it was at');
    expect(text).toContain(first.descriptor.digest);
    expect(text).toContain('Deleted since');
    expect(text).toMatch(/docker pull \S+\/at\/\d{8}t\d{6}z\/harbour\/tides:1\.0/);
    expect(await page.getByRole('button').allInnerTexts()).toEqual(['Go', 'Go', 'Restore this']);
    await page.getByRole('button', { name: 'Restore this' }).click();
    await page.waitForURL(`${server.url}${PAGE}:1.0`);
    expect(await page.locator('.digest-whole').textContent()).toContain(first.descriptor.digest);
  });
  const restored = await fetch(`${server.url}/v2/${REPO}/manifests/1.0`, { method: 'HEAD' });
  expect(restored.headers.get('docker-content-digest')).toBe(first.descriptor.digest);
});

test('the past of a repository has its tags, its list and its steps, all without scripts', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(server.url + past());
    expect((await page.locator('.tag-name').allInnerTexts()).sort()).toEqual(['1.0', '1.1', 'latest']);
    const row = page.locator('.tags tbody tr', { hasText: '1.1' });
    for (const each of ['SBOM', 'linux/amd64', 'KiB']) expect(await row.textContent()).toContain(each);
    await clickThrough(page, page.getByRole('link', { name: 'Earlier' }));
    expect((await page.locator('.tag-name').allInnerTexts()).sort()).toEqual(['1.0', 'latest']);
    await clickThrough(page, page.getByRole('link', { name: 'Later' }));
    expect(await page.locator('.tag-name').count()).toBe(3);
    await page.getByLabel('Filter tags').fill('1.0');
    await page.keyboard.press('Enter');
    await page.waitForURL(/q=1\.0/);
    expect(await page.locator('.tag-name').allInnerTexts()).toEqual(['1.0']);
    await clickThrough(page, page.getByRole('link', { name: /UTC$/ }));
    expect(new URL(page.url()).pathname).toMatch(/^\/ui\/at\/\d{8}t\d{6}z\/$/);
    await clickThrough(page, page.locator('.row-link'));
    await clickThrough(page, page.getByRole('link', { name: 'Back to now' }));
    expect(new URL(page.url()).pathname).toBe(PAGE);
  });
});

test('the form for another time leads there, also to where nothing was', async () => {
  await open({ javaScriptEnabled: false }, async (page) => {
    await page.goto(server.url + past(':latest'));
    await page.getByLabel('Another time (UTC)').fill('2020-02-03T10:15:00');
    await clickThrough(page, page.getByRole('button', { name: 'Go' }).last());
    expect(new URL(page.url()).pathname).toBe(`/ui/at/20200203t101500z/repositories/${REPO}:latest`);
    expect(await page.locator('main').textContent()).toContain('There is nothing here');
    await clickThrough(page, page.getByRole('link', { name: 'Later' }));
    expect(await page.locator('.digest-whole').textContent()).toContain(first.descriptor.digest);
  });
});

test.each([
  ['/ui/at/1/', 400],
  ['/ui/at/then/', 400],
  ['/ui/at/30000101t000000z/', 400],
  ['/ui/at/20200101t000000z/repositories/no/such', 404],
  ['/ui/at/20200101t000000z/elsewhere', 404],
  ['/ui/at?moment=nonsense&named=', 400],
  [`/ui/at/9999/repositories/${REPO}`, 400],
] as const)('%s is answered with %p', async (path, status) => {
  const response = await fetch(server.url + path, { headers: { accept: 'text/html' } });
  await response.text();
  expect(response.status).toBe(status);
});

test('a slot leads to the second in which it was written', async () => {
  const response = await fetch(`${server.url}/ui/at/1/repositories/${REPO}`, { redirect: 'manual' });
  expect(response.status).toBe(303);
  expect(response.headers.get('location')).toMatch(/^\/ui\/at\/\d{8}t\d{6}z\/repositories\/harbour\/tides$/);
});

test('with scripts the slider shows each moment while it moves, by keyboard too', async () => {
  await open({}, async (page) => {
    await page.goto(server.url + past());
    const slider = page.getByRole('slider');
    await slider.focus();
    await slider.press('Home');
    await eventually(async () => expect(await page.locator('.tag-name').count()).toBeLessThan(3));
    expect(new URL(page.url()).pathname).not.toBe(past());
    expect(await page.evaluate<string>('document.activeElement.type')).toBe('range');
    await slider.press('End');
    await eventually(async () => expect(await page.locator('#then').textContent()).toContain('1.1'));
  });
});

/** `20261128t101500` as the forms of a comparison have it. */
function isoOf(compact: string): string {
  return compact.toUpperCase().replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)$/, '$1-$2-$3T$4:$5:$6Z');
}
