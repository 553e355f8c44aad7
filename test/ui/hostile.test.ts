// Texts of strangers in every place that pages show, in a real browser: nothing of them runs, is requested, or breaks the layout.
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from 'bun:test';
import { Header } from 'tar/header';
import { formatCompactTime, secondOf } from '../../src/past/moment.ts';
import { TOOLS_WITHIN_MS } from '../support/command.ts';
import { HOSTILE } from '../support/hostile-texts.ts';
import { indexed } from '../support/indexed.ts';
import {
  type Content,
  content,
  emptyConfig,
  type Image,
  image,
  json,
  mediaTypes,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';
import { cleanUp, type Server, startServer } from '../support/server.ts';
import { clickThrough, overflow, WatchedBrowser } from './chromium.ts';
import { builtImage } from './content.ts';

setDefaultTimeout(300_000);

const REPO = 'strangers/app';
const BASE = `/ui/repositories/${REPO}`;
const LARGE = 'strangers/large';
/** Each text as the name and as the value of a field. */
const PAIRS = Object.fromEntries(HOSTILE.map((text, at) => [`${at}${text}`, text]));
const README = HOSTILE.map((text) => `${text}\n\n[link](${text})\n\n![picture](${text})`).join('\n\n');

let server: Server;
let browser: WatchedBrowser;
let views: string[];
beforeAll(async () => {
  server = await startServer({ THREADS: '1' });
  browser = await WatchedBrowser.launch(server.url);
  views = await fill(server.url);
  await indexed(server.url, 1);
}, TOOLS_WITHIN_MS);
afterAll(async () => {
  await browser?.close();
  await cleanUp();
});

/** @returns every view that shows such texts */
async function fill(url: string): Promise<string[]> {
  const built = builtImage(
    { os: '<b>', architecture: '"><script>' },
    { labels: PAIRS, env: HOSTILE.map((text, at) => `${at}=${text}`), commands: HOSTILE },
  );
  const about = { 'dev.marina.readme': README, 'org.opencontainers.image.description': HOSTILE.join(' ') };
  const [config = expect.unreachable(), ...layers] = built.blobs;
  const app = image({ config, layers, annotations: { ...PAIRS, ...about } });
  await pushImage(url, REPO, app, 'v1');
  const { mediaType, digest, size } = app.descriptor;
  const subject = { mediaType, digest, size };

  const documents = documentsOf(digest);
  for (const [artifactType, layer] of documents)
    await pushImage(
      url,
      REPO,
      image({ config: emptyConfig, layers: [layer], artifactType, subject, annotations: PAIRS }),
    );
  const signature = cosignSignature(digest);
  await pushImage(url, REPO, signature, `${digest.replace(':', '-')}.sig`);
  for (const [at, text] of HOSTILE.entries()) {
    // Media types have at most 255 characters, and 50 manifests must not be the same.
    const typed = image({
      config: emptyConfig,
      layers: [json(at, mediaTypes.layer)],
      artifactType: text.slice(0, 200),
    });
    await pushImage(url, REPO, typed, `typed-${at}`);
  }
  await pushImage(url, REPO, chart(), 'chart');
  await pushImage(url, REPO, model(), 'model');
  return [
    ...[
      BASE,
      `${BASE}?sort=name`,
      `${BASE}:v1`,
      `${BASE}:chart`,
      `${BASE}:model`,
      `${BASE}@${signature.descriptor.digest}`,
    ],
    ...HOSTILE.flatMap((_, at) => (at % 10 === 0 ? [`${BASE}:typed-${at}`] : [])),
    ...(await attachedTo(url, digest)).map((each) => `${BASE}@${each}`),
    ...['/ui/', '/ui/?q=alert', '/ui/changes?show=all', '/ui/changes?show=manifests'],
    `/ui/?q=${encodeURIComponent(HOSTILE[0] ?? '')}`,
    `/ui/compare?a=${LARGE}:v1&b=${REPO}:v1`,
    `/ui/compare?a=${encodeURIComponent(HOSTILE[0] ?? '')}`,
    `/ui/at/${formatCompactTime(secondOf(Date.now()))}/repositories/${REPO}:v1`,
  ];
}

function documentsOf(digest: string): [artifactType: string, layer: Content][] {
  const packages = HOSTILE.map((text) => ({ name: text, versionInfo: text, licenseDeclared: text }));
  const spdx = { spdxVersion: 'SPDX-2.3', name: HOSTILE.join(' '), packages, creationInfo: { creators: [...HOSTILE] } };
  const components = HOSTILE.map((text) => ({ type: 'library', name: text, version: text, purl: text }));
  const cyclonedx = { bomFormat: 'CycloneDX', specVersion: HOSTILE[0], components };
  const statement = {
    _type: 'https://in-toto.io/Statement/v1',
    predicateType: HOSTILE.join(' '),
    subject: HOSTILE.map((text) => ({ name: text, digest: { sha256: text } })),
    predicate: { builder: { id: HOSTILE.join(' ') }, buildType: HOSTILE.join(' ') },
  };
  return [
    ['application/spdx+json', json(spdx, 'application/spdx+json')],
    ['application/vnd.cyclonedx+json', json(cyclonedx, 'application/vnd.cyclonedx+json')],
    ['application/vnd.in-toto+json', json(statement, 'application/vnd.in-toto+json')],
    ['text/markdown', content(new TextEncoder().encode(`${README} ${digest}`), 'text/markdown')],
  ];
}

function cosignSignature(digest: string): Image {
  const type = 'application/vnd.dev.cosign.simplesigning.v1+json';
  const identity = { 'docker-reference': HOSTILE.join(' ') };
  const critical = { identity, image: { 'docker-manifest-digest': digest }, type: HOSTILE[0] };
  const { bytes, descriptor } = json({ critical, optional: PAIRS }, type);
  const annotations = { ...PAIRS, 'dev.cosignproject.cosign/signature': HOSTILE[0] ?? '' };
  return image({ config: emptyConfig, layers: [{ bytes, descriptor: { ...descriptor, annotations } }], annotations });
}

function chart(): Image {
  const named = HOSTILE.map((text) => ({ name: text, email: text, url: text, version: text, repository: text }));
  const about = {
    name: HOSTILE[0],
    version: HOSTILE[1],
    description: HOSTILE.join(' '),
    home: HOSTILE[48],
    icon: HOSTILE[0],
  };
  const lists = { keywords: HOSTILE, sources: HOSTILE, maintainers: named, dependencies: named };
  const values = Buffer.from(HOSTILE.join('\n'));
  const block = Buffer.alloc(512);
  new Header({ path: 'app/values.yaml', size: values.length, type: 'File', mode: 0o644 }).encode(block);
  const archive = Bun.gzipSync(Buffer.concat([block, values, Buffer.alloc(2_048 - (values.length % 512))]));
  return image({
    config: json({ ...about, ...lists }, 'application/vnd.cncf.helm.config.v1+json'),
    layers: [content(archive, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip')],
  });
}

function model(): Image {
  const config = json(
    { descriptor: PAIRS, config: { capabilities: HOSTILE } },
    'application/vnd.cncf.model.config.v1+json',
  );
  const layers = HOSTILE.slice(0, 20).map((text) => {
    const layer = randomBlob(100);
    return { ...layer, descriptor: { ...layer.descriptor, annotations: { 'org.opencontainers.image.title': text } } };
  });
  return image({ config, layers });
}

async function attachedTo(url: string, digest: string): Promise<string[]> {
  const response = await fetch(`${url}/v2/${REPO}/referrers/${digest}`, { signal: AbortSignal.timeout(30_000) });
  const { manifests } = (await response.json()) as { manifests: { digest: string }[] };
  expect(manifests).toHaveLength(4);
  return manifests.map((each) => each.digest);
}

describe.each([320, 1440])('with a window of %d pixels', (width) => {
  test('texts of strangers run nothing, request nothing, link nowhere but to the web, and fit', async () => {
    await browser.open({ viewport: { width, height: 800 } }, async (page) => {
      let shown = 0;
      for (const view of views) {
        await page.goto(server.url + view);
        expect([view, await page.locator('main').count(), await overflow(page)]).toEqual([view, 1, 0]);
        const found = await page.evaluate<{ readonly links: string[]; readonly elements: string[] }>(`({
          links: [...document.querySelectorAll('a')].map((each) => each.protocol).filter((each) => !/^https?:$/.test(each)),
          elements: [...document.querySelectorAll('main :is(script, style, iframe, object, embed, img, base, meta, link, video, audio)')].map((each) => each.localName),
        })`);
        expect([view, found]).toEqual([view, { links: [], elements: [] }]);
        if (((await page.locator('main').textContent()) ?? '').includes('<script>alert(1)</script>')) shown++;
      }
      // Some show another of these texts.
      expect(shown).toBeGreaterThanOrEqual(12);
    });
  });
});

test('the question before a delete fits a narrow window, too', async () => {
  await browser.open({ viewport: { width: 320, height: 800 } }, async (page) => {
    await page.goto(`${server.url}${BASE}?q=typed-1`);
    for (const box of await page.getByRole('checkbox').filter({ visible: true }).all()) await box.check();
    await clickThrough(page, page.getByRole('button', { name: 'Delete chosen' }));
    await page.getByRole('heading', { level: 1, name: 'Delete' }).waitFor();
    expect(await overflow(page)).toBe(0);
  });
});

test('a config and a bill of materials of 10 MB are shown in part, and the page says so', async () => {
  const words = 'x'.repeat(80);
  const labels = Object.fromEntries(Array.from({ length: 110_000 }, (_, at) => [`label${at}`, words]));
  const config = json(
    {
      os: 'linux',
      architecture: 'amd64',
      history: [],
      config: { User: 'sailor' },
      more: Object.values(labels),
      labels,
    },
    mediaTypes.config,
  );
  const packages = Array.from({ length: 80_000 }, (_, at) => ({
    name: `package-${at}`,
    versionInfo: '1.0',
    comment: words,
  }));
  const sbom = json({ spdxVersion: 'SPDX-2.3', name: 'large', packages }, 'application/spdx+json');
  for (const { bytes } of [config, sbom]) expect(bytes.length).toBeGreaterThan(10_000_000);
  const app = image({ config });
  await pushImage(server.url, LARGE, app, 'v1');
  const { mediaType, digest, size } = app.descriptor;
  const attached = image({
    config: emptyConfig,
    layers: [sbom],
    artifactType: 'application/spdx+json',
    subject: { mediaType, digest, size },
  });
  await pushImage(server.url, LARGE, attached);
  await pushManifest(server.url, LARGE, attached, 'sbom');
  await browser.open({}, async (page) => {
    await page.goto(`${server.url}/ui/repositories/${LARGE}:v1`);
    const shown = await page.locator('main').textContent();
    expect(shown).toMatch(/The config has \d+ bytes; only the first 4 MiB were read/);
    expect(shown).toContain('sailor');
    await page.goto(`${server.url}/ui/repositories/${LARGE}:sbom`);
    expect(await page.locator('main').textContent()).toContain('Not all packages are shown');
    expect(await page.getByText('package-0', { exact: true }).count()).toBe(1);
  });
});
