import { describe, expect, test } from 'bun:test';
import { HOSTILE } from '../../test/support/hostile-texts.ts';
import { webAddress } from './components/basics.tsx';
import { JsonText } from './components/json-text.tsx';
import { Markdown } from './components/markdown.tsx';
import { renderDocument } from './document.tsx';
import { renderToString } from './jsx/render.js';
import { readImageConfig } from './models/image-config.ts';
import { readManifest } from './models/manifest-model.ts';
import type { Viewer } from './viewer.ts';
import { Failure } from './views/failure.tsx';
import { Home } from './views/home.tsx';
import { Login } from './views/login.tsx';
import { ConfigCard } from './views/manifest-config.tsx';
import { PartsCard } from './views/manifest-parts.tsx';
import { AboutLinks } from './views/repository.tsx';

function viewer(text: string): Viewer {
  return {
    ...{ name: text, hasAccounts: true, canLogIn: true, formToken: text, address: text, host: text },
    ...{ passive: undefined, now: 0 },
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

const HARMLESS_LINK = /^(?:https?:\/\/|\/ui\/|\/api\/|\/healthz|#content|data:image\/svg\+xml,%3Csvg|a\.(?:css|js)$)/;

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
    const about = {
      ...{ title: text, description: text, readme: text, source: text },
      ...{ homepage: text, licenses: text, version: text, revision: text },
    };
    const config = readImageConfig({
      ...{ os: text, architecture: text, created: text },
      config: { Env: [text], Cmd: [text], Entrypoint: [text], Labels: { [text]: text }, User: text, WorkingDir: text },
      history: [{ created_by: text }],
    });
    const digest = `sha256:${'a'.repeat(64)}`;
    const layer = {
      mediaType: text,
      digest,
      size: 1,
      annotations: { 'org.opencontainers.image.title': text, [text]: text },
    };
    const model = readManifest({ layers: [layer], annotations: { [text]: text }, artifactType: text }, text);
    expectHarmless(
      renderToString(
        <>
          <AboutLinks about={about} />
          {config !== undefined && <ConfigCard config={config} now={0} />}
          <PartsCard parts={model.layers} />
          <Failure status={404} message={text} viewer={viewer('/ui/')} />
          <Login viewer={viewer('/ui/')} to={text} problem={text} user={text} />
          <Home data={{ kind: 'listed', repositories: [], next: undefined }} q={text} viewer={viewer('/ui/')} />
        </>,
      ),
    );
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
