import { describe, expect, test } from 'bun:test';
import { HOSTILE } from '../../test/support/hostile-texts.ts';
import { viewer } from '../../test/support/viewer.ts';
import type { Documents, ManifestDetails } from '../inspection/interface.ts';
import { parseDigest } from '../oci/digest.ts';
import { parseIncarnation, parseRepositoryName, parseTag } from '../oci/names.ts';
import type { Hit, TagSummary } from '../overview/interface.ts';
import type { RecentChange, RepositoryContents } from '../past/interface.ts';
import { secondOf } from '../past/moment.ts';
import type { Review } from '../retention/interface.ts';
import { webAddress } from './components/basics.tsx';
import { JsonText } from './components/json-text.tsx';
import { Markdown } from './components/markdown.tsx';
import { renderDocument } from './document.tsx';
import { renderToString } from './jsx/render.js';
import type { Actions } from './load/actions.ts';
import type { ComparisonData } from './load/load-comparison.ts';
import type { HomeData } from './load/load-home.ts';
import type { PastManifestData, PastRepositoryData } from './load/load-past.ts';
import type { RepositoryData } from './load/load-repository.ts';
import { type StorageData, storageMapOf } from './load/load-storage.ts';
import type { Travel } from './load/load-travel.ts';
import { Compare } from './views/compare.tsx';
import { Failure } from './views/failure.tsx';
import { Home } from './views/home.tsx';
import { Jump } from './views/jump.tsx';
import { LoggedIn, Login } from './views/login.tsx';
import { Manifest } from './views/manifest.tsx';
import { NothingThen } from './views/nothing-then.tsx';
import { PastManifest } from './views/past-manifest.tsx';
import { PastRepository } from './views/past-repository.tsx';
import { Repository } from './views/repository.tsx';
import { RepositoryTimeline } from './views/repository-timeline.tsx';
import { Storage } from './views/storage.tsx';

const REPO = named(parseRepositoryName('team/app'));
const TAG = named(parseTag('v1'));
const PIN = named(parseIncarnation('0'.repeat(26)));
const DIGEST = named(parseDigest(`sha256:${'a'.repeat(64)}`));

function named<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('an example is not valid');
  return value;
}

const CONTENTS: RepositoryContents = {
  ...{ seq: 1, time: '2026-11-28T00:00:00Z', counts: { tags: 1, manifests: 1, blobs: 1 }, bytes: 1 },
  ...{ tag: () => undefined, tagsOf: () => [TAG], pushed: () => 0, tags: () => [], referrers: () => [] },
};

function hostileChanges(text: string): readonly RecentChange[] {
  const about = { seq: 1, at: 0, actor: text };
  return [
    { ...about, kind: 'tag-set', tag: TAG, digest: DIGEST, previous: undefined },
    { ...about, kind: 'tag-deleted', tag: TAG, digest: DIGEST },
    { ...about, kind: 'referrer-pushed', digest: DIGEST, subject: DIGEST, type: text },
    { ...about, kind: 'manifest-deleted', digest: DIGEST },
    { ...about, kind: 'repository-deleted' },
  ];
}

const REVIEW: Review = {
  rule: { name: 'x', keep: [{ tags: ['v*'], which: { kind: 'newest', count: 1 } }], deleteUntagged: 1 },
  ...{ fates: new Map(), going: 1, soon: [], untagged: { count: 1, bytes: 1 } },
};

const ALL_ACTIONS: Actions = { addTag: undefined, moveTag: undefined, deleteTag: undefined, pin: undefined };

const SHOWN = {
  ...{ repo: REPO, reference: { kind: 'tag', tag: TAG } as const, contents: CONTENTS },
  ...{ changes: hostileChanges('x'), actions: ALL_ACTIONS, review: REVIEW },
  sharers: new Map([[DIGEST as string, { repositories: [REPO], more: true }]]),
} as const;

function hostileDetails(text: string): ManifestDetails {
  const texts = { [text]: text, 'org.opencontainers.image.source': text, 'org.opencontainers.image.title': text };
  const part = { digest: text, mediaType: text, size: 1, annotations: texts };
  const documents: Documents = {
    signatures: [
      {
        ...{ format: 'cosign', identity: text, issuer: text, signedAt: text, logIndex: 1, signedDigest: text },
        ...{ signedReference: text, claims: texts, key: text },
        certificate: { subject: text, issuer: text, validFrom: text, validTo: text, fingerprint: text },
      },
    ],
    sboms: [
      {
        ...{ format: 'SPDX', version: text, name: text, created: text, tools: [text], count: 1, isCut: true },
        packages: [{ name: text, version: text, purl: text, license: text }],
      },
    ],
    attestations: [
      { predicateType: text, subjects: [{ name: text, digest: text }], builder: text, buildType: text, isSigned: true },
    ],
  };
  const attached = {
    digest: text,
    tag: text,
    kind: 'signature',
    mediaType: text,
    artifactType: text,
    total: 1,
  } as const;
  return {
    ...{ digest: DIGEST, mediaType: text, size: 1, artifactType: text, kind: 'image', total: 1, subject: text },
    annotations: texts,
    platforms: [{ digest: text, mediaType: text, platform: text, total: 1, annotations: texts }],
    layers: [{ ...part, command: text }],
    history: [{ command: text, comment: text, created: text, layer: text }],
    config: {
      ...{ digest: text, mediaType: text, size: 1, platform: text, created: '2026-11-28T00:00:00Z', author: text },
      ...{ user: text, workingDir: text, entrypoint: [text], cmd: [text], env: [text, `A=${text}`], ports: [text] },
      ...{ volumes: [text], labels: texts, stopSignal: text },
    },
    chart: {
      ...{ name: text, version: text, appVersion: text, description: text, home: text, icon: text, type: text },
      ...{ kubeVersion: text, deprecated: true, keywords: [text], sources: [text] },
      maintainers: [{ name: text, email: text, url: text }],
      dependencies: [{ name: text, version: text, repository: text }],
      values: { text, isCut: true },
    },
    facts: texts,
    description: text,
    readme: { text, from: 'label', isCut: true },
    documents,
    attached: [
      { ...attached, subject: DIGEST, via: 'subject', annotations: texts, documents, omitted: [text] },
      { ...attached, subject: text, via: 'index', annotations: texts, documents, omitted: [text] },
    ],
    badges: { signed: true, sbom: true, attested: true },
    omitted: [text],
  };
}

function hostileRepository(text: string): RepositoryData {
  const row: TagSummary = {
    ...{ tag: TAG, digest: DIGEST, mediaType: text, artifactType: text, kind: 'artifact', total: 1 },
    ...{ set: '2026-11-28T00:00:00Z', by: text, platforms: [text, text, text, text] },
    badges: { signed: true, sbom: true, attested: true },
  };
  return {
    ...{ repo: REPO, contents: CONTENTS, newest: row, details: hostileDetails(text), changes: hostileChanges(text) },
    ...{ page: { items: [row], count: 1, folded: 0, more: false, isComplete: true }, next: 50, actions: ALL_ACTIONS },
    deleted: [{ tag: TAG, digest: DIGEST }],
    pins: {
      pins: [{ id: PIN, name: text, moment: 0, created: 0, until: 1, by: text, repositories: 1 }],
      unreadable: 1,
    },
    ...{ shared: 1, review: { ...REVIEW, rule: { name: text, keep: undefined, deleteUntagged: undefined } } },
  };
}

const PLACE = { repo: REPO, at: secondOf(0) };

function travel(text: string): Travel {
  return {
    ...{ place: PLACE, reference: undefined, seq: 1, earlier: secondOf(1), later: secondOf(2) },
    marks: hostileChanges(text).map((change, at) => ({ ...change, seq: at + 1 })),
  };
}

function hostilePast(text: string): PastManifestData {
  return {
    ...{ place: PLACE, name: REPO, reference: { kind: 'tag', tag: TAG }, travel: travel(text), text },
    ...{ details: hostileDetails(text), tags: [TAG], pushed: 0, actions: ALL_ACTIONS },
    today: { kind: 'moved', digest: DIGEST },
  };
}

function hostilePastRepository(text: string): PastRepositoryData {
  return {
    ...{ place: PLACE, name: REPO, contents: CONTENTS, travel: travel(text), count: 1, folded: 0, next: 50 },
    tags: [
      {
        ...{ tag: TAG, digest: DIGEST, set: 0, today: { kind: 'gone' } },
        badges: { signed: true, sbom: true, attested: true },
        summary: { kind: 'artifact', total: 1, platforms: [text, text, text, text], isAttested: true },
      },
    ],
    ...{ newest: TAG, details: hostileDetails(text), changes: hostileChanges(text), isHere: false },
  };
}

function hostileComparison(text: string): ComparisonData {
  const comparable = { kind: 'manifest', address: { repo: REPO, reference: { kind: 'tag', tag: TAG } } } as const;
  const side = { repository: REPO, digest: DIGEST, mediaType: text, total: 1, kind: 'image' } as const;
  const part = { digest: text, mediaType: text, size: 1 };
  return {
    choices: [text],
    result: {
      ...{ kind: 'manifests', from: comparable, to: comparable, places: { from: REPO, to: PLACE } },
      comparison: {
        ...{ from: side, to: side, manifests: [{ ...part, change: 'same' }] },
        layers: [
          { ...part, change: 'added', command: text },
          { ...part, change: 'gone' },
        ],
        platforms: [{ change: 'changed', platform: text, from: text, to: text }],
        fields: ['config.config.Env.', 'config.config.Labels.', 'annotations.', ''].map((start) => ({
          ...{ field: start + text, from: text, to: text },
        })),
        bytes: { same: 1, added: 1, gone: 1 },
        packages: { items: [{ change: 'changed', name: text, from: text, to: text }], count: 1, same: 1 },
      },
    },
  };
}

function hostileSearch(text: string): HomeData {
  return {
    kind: 'found',
    page: {
      ...{ isComplete: false, next: text },
      items: [
        {
          ...{ name: REPO, description: text, tags: 1, bytes: 1, shared: 1, pushes: [0, 1] },
          pushed: { at: '2026-11-28T00:00:00Z', by: text },
        },
      ],
    },
    result: {
      ...{ isComplete: false, isCut: true, more: true },
      counts: { repositories: 1, tags: 1, digests: 1, labels: 1 },
      hits: hostileHits(text),
    },
  };
}

function hostileHits(text: string): readonly Hit[] {
  return [{ kind: 'label', repository: REPO, digest: DIGEST, key: text, value: text }];
}

/** Only the name of a rule, and the actors of changes, are texts that somebody chooses. */
function hostileStorage(text: string): StorageData {
  const part = { digest: DIGEST, bytes: 5, sharedWith: 1 };
  const item = { name: REPO, bytes: 10, shared: 5, parts: [part], rest: { count: 1, bytes: 5 } };
  const tagged = { repository: REPO, tag: TAG, digest: DIGEST };
  const time = '2026-11-28T00:00:00Z';
  const fate = { tag: TAG, digest: DIGEST, pushedAt: 0, isImmutable: true, isKept: true, until: 1e15 };
  return {
    ...{ kind: 'repository', repo: REPO, item },
    report: {
      ...{ repositories: [item], rest: { count: 0, bytes: 0 }, largest: [{ ...part, repository: REPO }] },
      ...{ oldest: [{ ...tagged, bytes: 5, set: time, unusedSince: time }], knowsPulls: true, isComplete: false },
      expiring: [tagged],
    },
    kept: {
      rule: { name: text, keep: [{ tags: [text], which: { kind: 'all' } }], deleteUntagged: 1_000 },
      explanation: {
        ...{ rule: text, count: 1, going: 0, manifests: [], manifestCount: 0, bytes: 0 },
        tags: [{ ...fate, keptBy: [{ entry: 1, which: 'all', until: undefined }] }],
      },
    },
  };
}

/** The names and patterns of rules are texts of the operator. */
function hostileOutlook(text: string): StorageData {
  const entry = { tags: [text], which: { kind: 'newest', count: 1 } } as const;
  const upcoming = { repo: REPO, tag: TAG, digest: DIGEST, entry: 1, rule: text, because: entry };
  const sums = { repositories: 1, tags: 1, going: 1, immutable: 1, keptBy: [1], untagged: { count: 1, bytes: 1 } };
  const { report } = hostileStorage(text) as Extract<StorageData, { kind: 'repository' }>;
  return {
    ...{ kind: 'all', report, map: storageMapOf(report) },
    totals: { repositories: 1, tags: 1, bytes: 1, stored: 1, isComplete: true },
    outlook: {
      ...{ kind: 'known', computedAt: 0, more: true },
      rules: [{ rule: { name: text, keep: [entry], deleteUntagged: 1 }, ...sums }],
      tags: [
        { ...upcoming, goes: 'now' },
        { ...upcoming, goes: 'push' },
        { ...upcoming, goes: { at: 1e15 } },
      ],
    },
  };
}

/** The elements and attributes that a browser would see. */
function seen(html: string): {
  readonly elements: ReadonlySet<string>;
  readonly attributes: ReadonlySet<string>;
  readonly links: readonly string[];
} {
  const elements = new Set<string>();
  const attributes = new Set<string>();
  const links: string[] = [];
  new HTMLRewriter()
    .on('*', {
      element(element) {
        elements.add(element.tagName);
        for (const [name, value] of element.attributes) {
          attributes.add(name);
          if (name === 'href' || name === 'src' || name === 'action') links.push(value);
        }
      },
    })
    .transform(html);
  return { elements, attributes, links };
}

const HARMLESS_LINK =
  /^(?:https?:\/\/|\/ui\/|\/api\/|\/healthz|#content|#end$|data:image\/svg\+xml,%3Csvg|a\.(?:css|js)$)/;

function expectHarmless(html: string): void {
  const { elements, attributes, links } = seen(html);
  const plain = seen(
    renderDocument({ title: '', viewer: viewer('x'), assets: { style: 'a.css', script: 'a.js' }, children: null }),
  );
  for (const name of [
    'script',
    'iframe',
    'object',
    'embed',
    'base',
    'style',
    'img',
    'audio',
    'video',
    'meta',
    'link',
    'svg',
  ]) {
    if (!plain.elements.has(name)) expect(elements.has(name)).toBe(false);
  }
  expect([...attributes].filter((name) => name.startsWith('on') || name === 'style' || name === 'srcdoc')).toEqual([]);
  expect(links.filter((link) => !HARMLESS_LINK.test(link))).toEqual([]);
  // The only script is the page's own.
  expect(html.match(/<script\b[^>]*>/g) ?? []).toEqual(html.includes('<html') ? ['<script src="a.js" defer>'] : []);
}

describe.each(HOSTILE.map((text, at) => [at, text] as const))('hostile text %i', (_, text) => {
  test('stays text in the frame of a page', () => {
    const html = renderDocument({
      ...{ title: text, viewer: viewer(text), assets: { style: 'a.css', script: 'a.js' }, search: text },
      children: <p>{text}</p>,
    });
    expectHarmless(html);
  });

  test('stays text in views', () => {
    const details = hostileDetails(text);
    const views = [
      <Manifest data={{ ...SHOWN, details, text, tags: [TAG], pushed: 0 }} viewer={viewer('/ui/')} />,
      <Manifest
        data={{ ...SHOWN, details: { ...details, kind: 'artifact' }, text, tags: [], pushed: 0 }}
        viewer={viewer('/ui/')}
      />,
      <Repository data={hostileRepository(text)} sort="time" q={text} viewer={viewer('/ui/')} />,
      <Home data={hostileSearch(text)} q={text} under={undefined} sort="name" viewer={viewer('/ui/')} />,
      <Storage data={hostileStorage(text)} viewer={viewer('/ui/')} />,
      <Storage data={hostileOutlook(text)} viewer={viewer('/ui/')} />,
      <RepositoryTimeline
        data={{ repo: REPO, changes: hostileChanges(text), before: 2, next: 1 }}
        viewer={viewer('/ui/')}
      />,
      <PastManifest data={hostilePast(text)} viewer={viewer('/ui/')} />,
      <PastRepository data={{ ...hostilePastRepository(text) }} sort="time" q={text} viewer={viewer('/ui/')} />,
      <NothingThen place={PLACE} reference={undefined} message={text} travel={travel(text)} viewer={viewer('/ui/')} />,
      <Compare data={hostileComparison(text)} request={{ a: text, b: text, platform: text }} />,
      <Compare
        data={{ result: { kind: 'problem', status: 400, message: text }, choices: [] }}
        request={{ a: text, b: text, platform: text }}
      />,
      <Failure status={404} message={text} viewer={viewer('/ui/')} />,
      <Login viewer={viewer('/ui/')} issuers={[]} to={text} problem={text} quote={text} user={text} />,
      <LoggedIn actor={text} nickname={text} to="/ui/" />,
      <Jump result={{ hits: hostileHits(text), more: true }} />,
    ];
    for (const view of views) expectHarmless(renderToString(view));
  });

  test('stays harmless in Markdown and JSON', () => {
    for (const markdown of [
      text,
      `[link](${text})`,
      `![picture](${text})`,
      `# ${text}`,
      `<${text}>`,
      `[a]: ${text}\n\n[a]`,
      `\`\`\`${text}\n${text}\n\`\`\``,
    ]) {
      expectHarmless(renderToString(<Markdown text={markdown} />));
    }
    expectHarmless(renderToString(<JsonText text={JSON.stringify({ [text]: text })} />));
    expectHarmless(renderToString(<JsonText text={text} />));
  });
});

test('only web addresses become links', () => {
  expect(webAddress('https://example.com/a?b#c')).toBe('https://example.com/a?b#c');
  for (const text of [
    'javascript:alert(1)',
    'JaVaScRiPt:alert(1)',
    'data:text/html,x',
    'vbscript:x',
    'file:///etc',
    '//example.com',
    '/ui/',
    '',
  ])
    expect(webAddress(text)).toBeUndefined();
});

test('Markdown keeps its structure', () => {
  const html = renderToString(
    <Markdown
      text={
        '# Title\n\n- one\n- **two** `code`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nsee https://example.com\n\n![logo](https://example.com/l.png)'
      }
    />,
  );
  expect(html).toContain('<h3>Title</h3>');
  expect(html).toContain('<ul><li>one</li>');
  expect(html).toContain('<strong>two</strong> <code>code</code>');
  expect(html).toContain('<td>1</td>');
  expect(html).toContain('<a href="https://example.com/" rel="noopener noreferrer nofollow"');
  expect(html).not.toContain('<img');
});
