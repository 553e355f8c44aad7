import { ACCESS, CHANGES, HOME, LOGOUT, loginAddress, OPERATIONS, STORAGE } from './addresses.ts';
import { Notice } from './components/basics.tsx';
import { Icon, type IconName, Mark } from './components/icon.tsx';
import { formatActor } from './format.ts';
import type { Child } from './jsx/jsx-runtime.js';
import { renderToString } from './jsx/render.js';
import type { AssetLinks, Viewer } from './viewer.ts';
import { Palette } from './views/palette.tsx';

interface DocumentProps {
  /** In the browser's tab; empty on the first page. */
  readonly title: string;
  readonly viewer: Viewer;
  readonly assets: AssetLinks;
  /** In the search box. */
  readonly search?: string;
  readonly children: Child;
}

/** The name of the field that proves that a form comes from a page of this registry. */
export const FORM_TOKEN = 'form';

/** The last element of a page. A browser paints nothing before it has come. */
const END = 'end';

/** What every page has around its content. */
export function Document({ title, viewer, assets, search = '', children }: DocumentProps) {
  return (
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="color-scheme" content="light dark" />
        <meta name="robots" content="noindex" />
        <title>{title === '' ? 'Marina' : `${title} · Marina`}</title>
        <link rel="icon" href={ICON} />
        {/* Columns of tables depend on rows that come later: without this, what is read already moves while a slow page arrives. */}
        <link rel="expect" href={`#${END}`} blocking="render" />
        <link rel="stylesheet" href={assets.style} />
        <script src={assets.script} defer />
      </head>
      <body>
        <a class="skip" href="#content">
          Skip to content
        </a>
        <Header viewer={viewer} search={search} />
        <main id="content" class="content">
          <Passivity viewer={viewer} />
          {children}
        </main>
        <footer class="foot">
          <span>
            {viewer.hasAccounts
              ? 'Marina'
              : 'This registry has no accounts: anyone who reaches it may do everything that it allows.'}
          </span>
          <a href="/api/v1/openapi.json">API</a>
          <a href="/healthz">Health</a>
        </footer>
        <Palette />
        <span id={END} hidden />
      </body>
    </html>
  );
}

/** A whole page as HTML. All text and attributes are escaped by the renderer; nothing on these pages is inserted as HTML. */
export function renderDocument(props: DocumentProps): string {
  return `<!doctype html>${renderToString(<Document {...props} />)}`;
}

function Header({ viewer, search }: { readonly viewer: Viewer; readonly search: string }) {
  return (
    <header class="head">
      <div class="head-inner">
        <a class="brand" href={HOME} aria-label="Marina: all repositories">
          <Mark />
          <span class="brand-name">Marina</span>
        </a>
        <search class="head-search">
          <form action={HOME} method="get">
            <Icon name="search" />
            <input
              type="search"
              name="q"
              value={search}
              placeholder="Search names, tags, digests, labels"
              aria-label="Search"
              autocomplete="off"
              spellcheck={false}
              maxLength={255}
              data-search
            />
            <span class="key" aria-hidden="true">
              /
            </span>
          </form>
        </search>
        <nav class="head-nav" aria-label="Pages">
          {pagesFor(viewer).map(({ href, icon, name }) => (
            <a key={href} href={href} aria-current={isAt(viewer, href) ? 'page' : undefined} title={name}>
              <Icon name={icon} />
              <span>{name}</span>
            </a>
          ))}
        </nav>
        <Account viewer={viewer} />
      </div>
    </header>
  );
}

interface PageLink {
  readonly href: string;
  readonly icon: IconName;
  readonly name: string;
}

const PAGES: readonly PageLink[] = [
  { href: CHANGES, icon: 'clock', name: 'Changes' },
  { href: STORAGE, icon: 'layers', name: 'Storage' },
];
const ADMIN_PAGES: readonly PageLink[] = [
  { href: OPERATIONS, icon: 'gauge', name: 'Operations' },
  { href: ACCESS, icon: 'key', name: 'Access' },
];

function pagesFor({ isAdmin }: Viewer): readonly PageLink[] {
  return isAdmin ? [...PAGES, ...ADMIN_PAGES] : PAGES;
}

/** Whether the page that is shown is at this address, with any query. */
function isAt({ address }: Viewer, href: string): boolean {
  return address === href || address.startsWith(`${href}?`);
}

function Account({ viewer }: { readonly viewer: Viewer }) {
  const { name, nickname, canLogIn, address } = viewer;
  if (name !== undefined) {
    return (
      <div class="account">
        <span class="account-name" title={name}>
          {nickname ?? formatActor(name)}
        </span>
        <form action={LOGOUT} method="post">
          <FormToken viewer={viewer} />
          <button type="submit" class="button button-quiet">
            <Icon name="leave" />
            <span>Log out</span>
          </button>
        </form>
      </div>
    );
  }
  if (!canLogIn) return <div class="account" />;
  return (
    <div class="account">
      <a class="button button-quiet" href={loginAddress(address)}>
        <Icon name="enter" />
        <span>Log in</span>
      </a>
    </div>
  );
}

/** In every form that changes something. */
export function FormToken({ viewer }: { readonly viewer: Viewer }) {
  return <input type="hidden" name={FORM_TOKEN} value={viewer.formToken} />;
}

/** Why a visitor finds no actions here, where that can be changed. */
function Passivity({ viewer: { passive } }: { readonly viewer: Viewer }) {
  if (passive !== 'unknown-host') return null;
  return (
    <Notice icon="lock">
      Under this name the page only shows. To delete and restore here, log in if you have an account, or open it by a
      name in <code>PUBLIC_HOSTS</code> or <code>PUBLIC_URL</code>, or by an IP address.
    </Notice>
  );
}

/** The mark as an image that needs no request. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#0b5f73"/><path fill="#fff" d="M17 5.5v14h7.5C23.8 13.5 21 8.4 17 5.5zM15 9v10.5H8.5C9.2 15.5 11.6 11.7 15 9z"/><path fill="none" stroke="#8fdbe4" stroke-width="2" stroke-linecap="round" d="M6 24c2.5-2 4.2-2 6.7 0s4.2 2 6.7 0s4.2-2 6.6 0"/></svg>',
)}`;
