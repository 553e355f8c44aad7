// Pages that arrive slowly, a piece at a time: what a visitor looks at stays where it is.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { indexed } from '../support/indexed.ts';
import { image, pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { WatchedBrowser } from './chromium.ts';

setDefaultTimeout(120_000);

/** A page arrives in so many pieces, and the browser could paint after each. */
const PIECES = 12;
const BETWEEN_PIECES_MS = 50;
/** The style sheet arrives after elements that it is for. */
const STYLE_MS = 300;
const TAGS = ['v1', 'v2', 'a-tag-whose-name-makes-its-column-wider'];
const REPOSITORY = '/ui/repositories/team/app';

let server: Server;
let slow: Bun.Server<undefined>;
let browser: WatchedBrowser;
beforeAll(async () => {
  server = await startServer({ THREADS: '1' });
  const names = ['base/debian', 'team/app', 'team/a-repository-whose-name-makes-its-column-wider'];
  for (const name of names) {
    for (const tag of TAGS) await pushImage(server.url, name, image(), tag);
  }
  await indexed(server.url, names.length);
  slow = Bun.serve({ port: 0, idleTimeout: 60, fetch: slowly });
  browser = await WatchedBrowser.launch(slow.url.href);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await slow?.stop(true);
  await cleanUp();
});

/** What the server answers; HTML in pieces. */
async function slowly({ url }: Request): Promise<Response> {
  const { pathname, search } = new URL(url);
  const answer = await fetch(`${server.url}${pathname}${search}`, {
    headers: { 'accept-encoding': 'identity', accept: 'text/html' },
  });
  const type = answer.headers.get('content-type');
  if (type?.startsWith('text/css') === true) await Bun.sleep(STYLE_MS);
  if (type?.startsWith('text/html') !== true) return answer;
  const html = await answer.bytes();
  const size = Math.ceil(html.length / PIECES);
  const pieces = async function* () {
    for (let at = 0; at < html.length; at += size) {
      yield html.subarray(at, at + size);
      await Bun.sleep(BETWEEN_PIECES_MS);
    }
  };
  const headers = new Headers(answer.headers);
  headers.delete('content-length');
  return new Response(pieces(), { status: answer.status, headers });
}

/** How far the parts of a page have moved since it was opened, as browsers count it, with the parts that did, and whether colors have changed. */
interface Unrest {
  readonly sum: number;
  readonly parts: readonly string[];
  readonly transitions: number;
}

const OBSERVE = `
  window.unrest = { sum: 0, parts: [], transitions: 0 };
  addEventListener('transitionrun', () => { unrest.transitions++; });
  new PerformanceObserver((list) => {
    for (const { value, sources } of list.getEntries()) {
      unrest.sum += value;
      for (const { node } of sources) unrest.parts.push(node?.outerHTML?.slice(0, 80) ?? node?.nodeName ?? '');
    }
  }).observe({ type: 'layout-shift', buffered: true });`;

/** Entries come after the next frame. */
const UNREST = 'new Promise((resolve) => requestAnimationFrame(() => setTimeout(() => resolve(unrest), 200)))';

test.each([
  ['/ui/', 1440],
  ['/ui/?q=team', 768],
  ['/ui/storage', 1440],
  ['/ui/storage?repository=team/app', 320],
  [REPOSITORY, 1440],
  [REPOSITORY, 320],
  [`${REPOSITORY}:v1`, 768],
  [`${REPOSITORY}/-/timeline`, 320],
  ['/ui/changes', 1440],
  ['/ui/operations', 320],
] as const)('nothing jumps or fades while %s, %d pixels wide, arrives slowly', async (path, width) => {
  await browser.open({ viewport: { width, height: 900 } }, async (page) => {
    await page.addInitScript(OBSERVE);
    await page.goto(new URL(path, slow.url).href);
    expect(await page.evaluate<Unrest>(UNREST)).toEqual({ sum: 0, parts: [], transitions: 0 });
  });
});
