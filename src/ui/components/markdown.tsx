import MarkdownIt from 'markdown-it';
import type { Readme } from '../../inspection/interface.ts';
import type { Child } from '../jsx/jsx-runtime.js';
import { createElement } from '../jsx/render.js';
import { Card, OutsideLink } from './basics.tsx';

type Token = ReturnType<ReturnType<typeof MarkdownIt>['parse']>[number];

/** Raw HTML stays text. Its own check of links lets no script through, and `OutsideLink` allows only web addresses. */
const parser = new MarkdownIt({ html: false, linkify: true, maxNesting: 20 });

/** Elements that Markdown may become. Headings begin below those of the page. */
const ELEMENTS: ReadonlySet<string> = new Set([
  ...['p', 'ul', 'ol', 'li', 'blockquote', 'em', 'strong', 's', 'hr', 'br'],
  ...['table', 'thead', 'tbody', 'tr', 'th', 'td'],
]);
const HEADINGS: Readonly<Record<string, string>> = { h1: 'h3', h2: 'h4', h3: 'h5', h4: 'h6', h5: 'h6', h6: 'h6' };

/** Markdown of strangers. Only elements of this file come out of it, and pictures become links, since pages load nothing from elsewhere. */
export function Markdown({ text }: { readonly text: string }) {
  return <div class="markdown">{childrenOf(parser.parse(text, {}))}</div>;
}

/** What a repository or an image says of itself. */
export function ReadmeCard({ readme }: { readonly readme: Readme }) {
  return (
    <Card title="Read me" icon="file">
      <Markdown text={readme.text} />
      {readme.isCut && <p class="card-text muted">It is longer than what is shown here.</p>}
    </Card>
  );
}

interface Open {
  readonly tag: string;
  readonly href: string;
  readonly children: Child[];
}

/** The tokens are a list in which elements are opened and closed. */
function childrenOf(tokens: readonly Token[]): Child[] {
  const root: Open = { tag: '', href: '', children: [] };
  const open: Open[] = [root];
  const add = (child: Child): void => {
    (open.at(-1) ?? root).children.push(child);
  };
  for (const token of tokens) {
    // The paragraphs of tight lists.
    if (token.hidden) continue;
    if (token.nesting === 1) open.push({ tag: token.tag, href: attributeOf(token, 'href'), children: [] });
    else if (token.nesting === -1) {
      const closed = open.length > 1 ? open.pop() : undefined;
      if (closed !== undefined) add(elementOf(closed));
    } else add(leafOf(token));
  }
  return root.children;
}

function elementOf({ tag, href, children }: Open): Child {
  if (tag === 'a') return <OutsideLink href={href}>{children}</OutsideLink>;
  const heading = HEADINGS[tag];
  if (heading !== undefined) return createElement(heading, null, children);
  if (tag === 'table') return <div class="scroll">{createElement('table', null, children)}</div>;
  return ELEMENTS.has(tag) ? createElement(tag, null, children) : children;
}

function leafOf(token: Token): Child {
  switch (token.type) {
    case 'inline':
      return <>{childrenOf(token.children ?? [])}</>;
    case 'code_inline':
      return <code>{token.content}</code>;
    case 'code_block':
    case 'fence':
      return (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: it scrolls, so the keyboard must reach it.
        <pre tabIndex={0}>
          <code>{token.content}</code>
        </pre>
      );
    case 'image':
      return <OutsideLink href={attributeOf(token, 'src')}>{token.content || 'picture'}</OutsideLink>;
    case 'hr':
      return <hr />;
    case 'hardbreak':
      return <br />;
    case 'softbreak':
      return ' ';
    default:
      return token.content;
  }
}

function attributeOf(token: Token, name: string): string {
  return String(token.attrGet(name) ?? '');
}
