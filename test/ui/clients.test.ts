// What real clients push, as the page shows it in a real browser.
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from 'bun:test';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { run, TOOLS_WITHIN_MS, tools } from '../support/command.ts';
import { eventually } from '../support/eventually.ts';
import { indexed } from '../support/indexed.ts';
import { pushImage } from '../support/oci.ts';
import { cleanUp, type Server, startServer, temporaryFolder } from '../support/server.ts';
import { clickThrough, WatchedBrowser } from './chromium.ts';
import { builtImage, pushMultiPlatform } from './content.ts';

setDefaultTimeout(300_000);

const SIGNED = 'clients/signed';
const CHARTS = 'clients/charts';
const FILES = 'clients/files';

const folder = temporaryFolder('ui-clients');
let server: Server;
let browser: WatchedBrowser;
let oras: string;
const signed = builtImage({ os: 'linux', architecture: 'amd64' });

beforeAll(async () => {
  const [cosign, helm, orasPath] = await tools('cosign', 'helm', 'oras');
  oras = orasPath;
  server = await startServer({ THREADS: '1' });
  browser = await WatchedBrowser.launch(server.url);
  await Promise.all([pushSigned(cosign), pushChart(helm), pushFiles()]);
  await indexed(server.url, 3);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

/** Signs and attests with a key, without a transparency log, since there is no network. */
async function pushSigned(cosign: string): Promise<void> {
  await pushImage(server.url, SIGNED, signed, 'v1');
  const options = { cwd: folder, env: { COSIGN_PASSWORD: 'of the key', HOME: folder, DOCKER_CONFIG: folder } };
  const reference = `${server.host}/${SIGNED}@${signed.descriptor.digest}`;
  const sbom = {
    spdxVersion: 'SPDX-2.3',
    name: 'harbour',
    packages: [{ name: 'openssl', versionInfo: '3.5.1', licenseDeclared: 'Apache-2.0' }],
  };
  writeFileSync(join(folder, 'sbom.json'), JSON.stringify(sbom));
  await run([cosign, 'generate-key-pair'], options);
  await run([cosign, 'signing-config', 'create', '--out=signing.json'], options);
  await run([cosign, 'trusted-root', 'create', '--out=root.json'], options);
  const offline = ['--key=cosign.key', '--signing-config=signing.json', '--trusted-root=root.json', '--yes'];
  await run([cosign, 'sign', ...offline, '--annotations=berth=seven', reference], options);
  await run([cosign, 'attest', ...offline, '--type=spdxjson', '--predicate=sbom.json', reference], options);
  await run([cosign, 'attach', 'sbom', '--sbom=sbom.json', reference], options);
}

async function pushChart(helm: string): Promise<void> {
  const chart = join(folder, 'shop');
  mkdirSync(join(chart, 'templates'), { recursive: true });
  writeFileSync(
    join(chart, 'Chart.yaml'),
    'apiVersion: v2\nname: shop\nversion: 1.2.3\nappVersion: "4.5"\ndescription: Sells things\n',
  );
  writeFileSync(join(chart, 'values.yaml'), 'replicas: 2\nimage:\n  tag: stable\n');
  writeFileSync(join(chart, 'templates', 'names.yaml'), 'kind: ConfigMap\napiVersion: v1\nmetadata: { name: shop }\n');
  await run([helm, 'package', chart, '--destination', folder]);
  await run([helm, 'push', join(folder, 'shop-1.2.3.tgz'), `oci://${server.host}/${CHARTS}`, '--plain-http']);
}

async function pushFiles(): Promise<void> {
  writeFileSync(join(folder, 'tides.csv'), 'time,depth\n0,12\n');
  writeFileSync(join(folder, 'README.md'), '# Tides\n\nOne row an hour.\n');
  const type = '--artifact-type=application/vnd.harbour.tides.v1';
  const options = { cwd: folder };
  await run([oras, 'push', '--plain-http', `${server.host}/${FILES}:v1`, type, 'tides.csv:text/csv'], options);
  const readme = ['--artifact-type=text/markdown', 'README.md:text/markdown'];
  await run([oras, 'attach', '--plain-http', `${server.host}/${FILES}:v1`, ...readme], options);
}

async function show(address: string, visit: (page: Page, text: string) => Promise<void>): Promise<void> {
  await browser.open({ viewport: { width: 1280, height: 900 } }, async (page) => {
    await page.goto(`${server.url}/ui/repositories/${address}`);
    await visit(page, (await page.locator('main').textContent()) ?? '');
  });
}

/** Waits until a row has each of these once: the index reads manifests after it has listed the tags. */
async function hasBadges(page: Page, row: Locator, badges: readonly string[]): Promise<void> {
  await eventually(async () => {
    await page.reload();
    for (const badge of badges)
      expect([badge, await row.locator('.badge', { hasText: badge }).count()]).toEqual([badge, 1]);
  });
}

test('an image that cosign signed and attested has badges, and what cosign attached is folded into it', async () => {
  await show(SIGNED, async (page, text) => {
    expect(await page.locator('.tag-name').allInnerTexts()).toEqual(['v1']);
    expect(text).toMatch(/\d+ tags? of signatures folded/);
    await hasBadges(page, page.locator('tbody tr'), ['Signed', 'SBOM']);
  });
  await show(`${SIGNED}:v1`, async (page, text) => {
    const tree = page.locator('.tree');
    for (const kind of ['Signature', 'SBOM'])
      expect(await tree.getByText(kind, { exact: true }).first().isVisible()).toBe(true);
    expect(text).toContain('not verified here');
    expect(text).toContain('SPDX 2.3, 1 package');
    const attested = tree.locator('li', { hasText: 'https://spdx.dev/Document' });
    await clickThrough(page, attested.locator('.digest a').first());
    expect(await page.getByText('openssl').first().isVisible()).toBe(true);
    expect(await page.locator('main').textContent()).toContain('3.5.1 · Apache-2.0');
  });
});

test('an index of two platforms with attestations shows the platforms, and the attestations beside them', async () => {
  await pushMultiPlatform(server.url, SIGNED, 'multi');
  await show(`${SIGNED}:multi`, async (page, text) => {
    expect(await page.locator('tbody tr').count()).toBe(2);
    for (const platform of ['linux/amd64', 'linux/arm64']) expect(text).toContain(platform);
    expect(await page.locator('.folded', { hasText: 'https://slsa.dev/provenance/v1' }).count()).toBe(2);
  });
  await show(SIGNED, async (page) => {
    await hasBadges(page, page.locator('tbody tr', { hasText: 'multi' }), ['Attested']);
  });
});

test('a chart that helm pushed shows its description, values, and how helm pulls it', async () => {
  await show(`${CHARTS}/shop:1.2.3`, async (page, text) => {
    for (const part of ['Helm chart', 'Sells things', '4.5', 'helm pull oci://']) expect(text).toContain(part);
    await page.getByText('Values', { exact: true }).click();
    expect(await page.locator('.chart-values').textContent()).toContain('replicas: 2');
  });
});

test('what oras pushed shows its type and files, and a README that oras attached', async () => {
  await show(`${FILES}:v1`, async (_, text) => {
    for (const part of ['application/vnd.harbour.tides.v1', 'tides.csv', 'text/csv', 'oras pull'])
      expect(text).toContain(part);
  });
  await show(FILES, async (page) => {
    expect(await page.locator('.markdown').textContent()).toContain('One row an hour.');
  });
});

test('the page of changes shows a push by a real client within a second', async () => {
  await browser.open({}, async (page) => {
    await page.goto(`${server.url}/ui/changes?repository=live/*`);
    const times: number[] = [];
    // On a busy machine a single one may be late.
    while (times.length < 5 && !times.some((time) => time < 1_000)) {
      const tag = `push-${times.length}`;
      await run([oras, 'push', '--plain-http', `${server.host}/live/app:${tag}`, 'tides.csv:text/csv'], {
        cwd: folder,
      });
      const pushed = performance.now();
      await page.getByRole('link', { name: `live/app:${tag}` }).waitFor();
      times.push(performance.now() - pushed);
    }
    expect(Math.min(...times)).toBeLessThan(1_000);
  });
});
