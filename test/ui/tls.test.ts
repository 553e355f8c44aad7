// Log-in over TLS in a real browser, with a password and with an issuer on another site.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import { passwordOf, writeAccessFiles } from '../access/world.ts';
import { makeCertificate } from '../support/certificates.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { type OidcIssuer, startIssuer } from '../support/oidc-issuer.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { overflow, seriousFaults, WatchedBrowser } from './chromium.ts';
import { pushAsAdmin } from './push.ts';

setDefaultTimeout(300_000);

const REPO = 'ours/app';
const PAGE = `/ui/repositories/${REPO}`;

let issuer: OidcIssuer;
let server: Server;
let browser: WatchedBrowser;
/** For the browser the issuer, at 127.0.0.1, is another site. */
let site: string;
beforeAll(async () => {
  issuer = await startIssuer();
  issuer.logins.person = { sub: 'f3a1', team: 'harbour', preferred_username: 'ann' };
  const { path, keyPath } = await makeCertificate('localhost', { extensions: ['subjectAltName=DNS:localhost'] });
  const { PUBLIC_HOSTS: _, ...env } = writeAccessFiles(`
rules:
  - { who: admin, repositories: ['**'], actions: [pull, push, catalog] }
  - { who: reader, repositories: ['ours/**'], actions: [pull] }
  - { who: { issuer: idp, claims: { team: harbour } }, repositories: ['ours/**'], actions: [pull] }
issuers:
  - { name: idp, issuer: '${issuer.url}', audience: registry.example, web: { clientId: marina } }
`).env;
  server = await startServer({ ...env, TLS_CERT_FILE: path, TLS_KEY_FILE: keyPath });
  site = `https://localhost:${server.port}`;
  issuer.logins.clients.push({
    ...{ clientId: 'marina', secret: undefined },
    redirectUris: [`${site}/ui/login/with/idp/done`],
  });
  await pushAsAdmin(server.url, REPO, 'v1');
  browser = await WatchedBrowser.launch(site, issuer.url);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
  await issuer?.stop();
});

async function open(options: BrowserContextOptions, visit: (page: Page) => Promise<void>): Promise<void> {
  await browser.open({ ignoreHTTPSErrors: true, ...options }, visit);
}

/** The page is shown, the session is one that only this host gets over TLS, and it ends. */
async function expectSession(page: Page, name: string, actor: string): Promise<void> {
  await page.waitForURL(site + PAGE);
  expect(await page.locator('h1').textContent()).toContain('app');
  const account = page.locator('.account-name');
  expect([await account.textContent(), await account.getAttribute('title')]).toEqual([name, actor]);
  const cookies = await page.context().cookies();
  expect(cookies).toMatchObject([
    { name: '__Host-marina_session', domain: 'localhost', path: '/', httpOnly: true, secure: true, sameSite: 'Strict' },
  ]);
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(`${site}/ui/`);
  expect(await page.context().cookies()).toEqual([]);
  await page.goto(site + PAGE);
  expect(page.url()).toStartWith(`${site}/ui/login`);
}

test.each([true, false])('a person logs in with a password and out, scripts: %p', async (javaScriptEnabled) => {
  await open({ javaScriptEnabled }, async (page) => {
    await page.goto(site + PAGE);
    await page.getByLabel('Name').fill('reader');
    await page.getByLabel('Password').fill(passwordOf('reader'));
    await page.getByRole('button', { name: 'Log in', exact: true }).click();
    await expectSession(page, 'reader', 'user:reader');
  });
});

test.each([true, false])(
  'a person logs in with an issuer of another site and out, scripts: %p',
  async (javaScriptEnabled) => {
    await open({ javaScriptEnabled }, async (page) => {
      await page.goto(site + PAGE);
      await page.getByRole('link', { name: 'Log in with idp' }).click();
      await page.getByRole('button', { name: 'Approve' }).click();
      await expectSession(page, 'ann', 'oidc:idp:f3a1');
    });
  },
);

test('who goes back after a log-in does not come to the address with the code', async () => {
  await open({}, async (page) => {
    await page.goto(`${site}/ui/login?${new URLSearchParams({ to: PAGE })}`);
    await page.getByRole('link', { name: 'Log in with idp' }).click();
    await page.getByRole('button', { name: 'Approve' }).click();
    await page.waitForURL(site + PAGE);
    await page.goBack();
    expect(page.url()).not.toContain('code=');
  });
});

test.each(['light', 'dark'] as const)('axe-core finds nothing serious in the log-in, %s', async (colorScheme) => {
  await open({ colorScheme, bypassCSP: true }, async (page) => {
    // The second says why a log-in failed.
    for (const view of ['/ui/login', '/ui/login/with/idp/done']) {
      await page.goto(site + view).catch((error: unknown) => expect(String(error)).toBe(''));
      expect([view, await seriousFaults(page)]).toEqual([view, []]);
    }
  });
});

test('the log-in fits a narrow window', async () => {
  await open({ viewport: { width: 320, height: 640 } }, async (page) => {
    await page.goto(`${site}/ui/login`);
    const box = await page.locator('.login').boundingBox();
    expect(box?.width).toBeLessThanOrEqual(320);
    expect(await overflow(page)).toBe(0);
  });
});
