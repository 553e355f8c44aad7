// usage: bun scripts/pictures.ts: pictures of the page in docs/ui/, of each view in both themes. They are looked at by people; no test
// compares them.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium } from 'playwright-core';
import { formatCompactTime, secondOf } from '../src/past/moment.ts';
import { writeAccessFiles } from '../test/access/world.ts';
import { stopClusters } from '../test/support/cluster.ts';
import { tools } from '../test/support/command.ts';
import { eventually } from '../test/support/eventually.ts';
import { image, pushImage, randomBlob } from '../test/support/oci.ts';
import { startServer, temporaryFolder } from '../test/support/server.ts';
import { attach, builtImage, chart, pushMultiPlatform, pushVersions, README } from '../test/ui/content.ts';
import { pictureAdministration } from './administration-pictures.ts';

const FOLDER = new URL('../docs/ui/', import.meta.url);
const REPO = 'harbour/services/berths';
const VIEWS: Readonly<Record<string, string>> = {
  home: '/ui/',
  repository: `/ui/repositories/${REPO}`,
  index: `/ui/repositories/${REPO}:latest`,
  image: '/ui/repositories/harbour/services/tides:build-7',
  changes: '/ui/changes',
  storage: '/ui/storage',
  'repository-storage': `/ui/storage?repository=${REPO}`,
  chart: '/ui/repositories/harbour/charts/berths:1.2.3',
  missing: '/ui/repositories/harbour/services/ferries',
};
const DESCRIPTION = 'Berths, tides and pilots: what the other services of the harbour ask.';
const WIDE = { viewport: { width: 1280, height: 860 } };
const FORMS: Readonly<Record<string, BrowserContextOptions>> = {
  light: { ...WIDE, colorScheme: 'light' },
  dark: { ...WIDE, colorScheme: 'dark' },
  phone: {
    viewport: { width: 360, height: 740 },
    ...{ deviceScaleFactor: 2, isMobile: true, hasTouch: true },
    colorScheme: 'light',
  },
};

/** With an issuer, by which people can log in. */
const RULES = `
rules:
  - { who: 'oidc:harbour:**', repositories: ['**'], actions: [pull] }
issuers:
  - { name: harbour, issuer: 'https://idp.example', audience: registry, web: { clientId: marina } }
`;

const RETENTION = `
rules:
  - name: releases
    repositories: ['harbour/services/*']
    immutable: { tags: ['1.*'] }
    keep:
      - tags: ['1.*', latest]
      - tags: ['build-*']
        newest: 5
      - pushedWithin: 14d
    deleteUntagged: 30d
`;

/** Repositories with one image: its layers of the base, and the bytes of its own layer. */
const SMALL: readonly (readonly [name: string, layers: number, own: number])[] = [
  ['base/alpine', 1, 90_000],
  ['base/debian', 2, 60_000],
  ['web/front', 2, 1_300_000],
  ['web/status', 1, 420_000],
  ['data/ingest', 2, 760_000],
  ['data/reports', 0, 1_900_000],
];

async function fill(url: string): Promise<void> {
  const about = {
    'org.opencontainers.image.description': DESCRIPTION,
    'org.opencontainers.image.source': 'https://code.example/harbour/berths',
    'org.opencontainers.image.licenses': 'Apache-2.0',
    'dev.marina.readme': README,
  };
  for (const tag of ['1.3.0', '1.4.0', '1.4.1', '1.4.2']) {
    const whole = await pushMultiPlatform(url, REPO, tag, about);
    await attach(url, REPO, whole.descriptor);
    const body = new Uint8Array(whole.bytes);
    const headers = { 'content-type': whole.descriptor.mediaType };
    await fetch(`${url}/v2/${REPO}/manifests/latest`, { method: 'PUT', headers, body });
  }
  for (let build = 1; build <= 8; build++) {
    await pushImage(
      url,
      'harbour/services/tides',
      builtImage({ os: 'linux', architecture: 'amd64' }),
      `build-${build}`,
    );
  }
  await pushImage(url, 'harbour/charts/berths', chart(), '1.2.3');
  // Layers that most of them share.
  const base = [randomBlob(2_400_000), randomBlob(900_000)];
  for (const [name, layers, own] of SMALL)
    await pushImage(url, name, image({ layers: [...base.slice(0, layers), randomBlob(own)] }), 'v1');
}

/** Pictures of pages of a server, in each form. @param views addresses by name */
async function takePictures(browser: Browser, url: string, views: Readonly<Record<string, string>>): Promise<void> {
  for (const [form, options] of Object.entries(FORMS)) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    for (const [view, path] of Object.entries(views)) {
      await page.goto(url + path);
      await page.screenshot({ path: fileOf(`${view}-${form}`) });
    }
    await context.close();
  }
}

async function pictureCommandPalette(browser: Browser, url: string): Promise<void> {
  for (const [form, options] of Object.entries(FORMS)) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    await page.goto(`${url}/ui/`);
    await page.keyboard.press('/');
    await page.keyboard.type('berths 1.4');
    await page.getByRole('option').filter({ hasText: '1.4.2' }).first().waitFor();
    await page.keyboard.press('ArrowDown');
    await page.screenshot({ path: fileOf(`palette-${form}`) });
    await context.close();
  }
}

function fileOf(picture: string): string {
  return Bun.fileURLToPath(new URL(`${picture}.png`, FOLDER));
}

const RETENTION_FILE = join(temporaryFolder('rules'), 'retention.yaml');
writeFileSync(RETENTION_FILE, RETENTION);
const server = await startServer({ RETENTION_FILE });
const restricted = await startServer(writeAccessFiles(RULES).env);
try {
  mkdirSync(FOLDER, { recursive: true });
  const [executablePath] = await tools('chromium');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  await takePictures(browser, server.url, { empty: '/ui/' });
  await fill(server.url);
  // A background job reads the labels.
  await eventually(async () => {
    const answer = await fetch(`${server.url}/ui/`, { headers: { accept: 'text/html' } });
    if (!(await answer.text()).includes(DESCRIPTION)) throw new Error('the description is not shown yet');
  });
  await takePictures(browser, server.url, VIEWS);
  await pictureCommandPalette(browser, server.url);
  const then = formatCompactTime(secondOf(Date.now()));
  // Another second, as addresses of the past tell them apart.
  await Bun.sleep(1_000);
  await pushMultiPlatform(server.url, REPO, 'latest');
  await pushVersions(server.url, 'harbour/services/pilots');
  await takePictures(browser, server.url, {
    compare: '/ui/compare?a=harbour/services/pilots:1.0&b=harbour/services/pilots:1.1',
    past: `/ui/at/${then}/repositories/${REPO}`,
  });
  await takePictures(browser, restricted.url, { login: '/ui/login', forbidden: '/ui/' });
  await pictureAdministration(browser, FORMS, fileOf);
  await browser.close();
} finally {
  await stopClusters();
}
