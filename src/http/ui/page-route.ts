import { requireDigest } from '../../oci/digest.ts';
import { RegistryError } from '../../oci/errors.ts';
import { parseRepositoryName, parseTag, type RepositoryName } from '../../oci/names.ts';
import type { RepositorySort } from '../../overview/interface.ts';
import { MOMENT_FORMS, type Moment, parseCompactTime, parseMoment, secondOf } from '../../past/moment.ts';
import type { Reference } from '../../registry/interface.ts';
import {
  ACCESS,
  type AccessQuery,
  CHANGES,
  COMPARE,
  JUMP,
  LOGIN_WITH,
  NEW_CHANGES,
  OPERATIONS,
  PAST,
  ROBOTS,
  STORAGE,
  STORAGE_MAP,
} from '../../ui/addresses.ts';
import { CHANGE_GROUPS, type ChangeGroup } from '../../ui/models/change-groups.ts';
import { TAG_ORDERS, type TagOrder } from '../../ui/models/tag-order.ts';

/** Every request of the page, below /ui/. */
export type PageRoute =
  /** GET /ui/?q=&under=&sort=&after= */
  | {
      readonly kind: 'home';
      readonly q: string;
      readonly under: RepositoryName | undefined;
      readonly sort: RepositorySort;
      readonly after: string | undefined;
    }
  /** GET /ui/jump?q= */
  | { readonly kind: 'jump'; readonly q: string }
  /** GET /ui/repositories/<name>?sort=&q=&after=&undo= */
  | {
      readonly kind: 'repository';
      readonly repo: RepositoryName;
      readonly sort: TagOrder;
      readonly q: string;
      readonly after: number;
      readonly undo: number | undefined;
    }
  /** GET /ui/repositories/<name>:<tag>, <name>@<digest> */
  | { readonly kind: 'manifest'; readonly repo: RepositoryName; readonly reference: Reference }
  /** POST /ui/repositories/<name>/-/delete */
  | { readonly kind: 'delete'; readonly repo: RepositoryName }
  /** POST /ui/repositories/<name>/-/restore */
  | { readonly kind: 'restore'; readonly repo: RepositoryName }
  /** POST /ui/repositories/<name>/-/tag, …/-/pin, …/-/unpin */
  | { readonly kind: 'tag' | 'pin' | 'unpin'; readonly repo: RepositoryName }
  /** GET /ui/changes?repository=&show=&before= */
  | {
      readonly kind: 'changes';
      readonly repository: string;
      readonly show: ChangeGroup;
      readonly before: string | undefined;
    }
  /** GET /ui/changes/new?since=&repository=&show= */
  | { readonly kind: 'new-changes'; readonly repository: string; readonly show: ChangeGroup; readonly since: string }
  /** GET /ui/operations?done= */
  | { readonly kind: 'operations'; readonly done: string }
  /** POST /ui/operations */
  | { readonly kind: 'order' }
  /** GET /ui/access?q=&who=&repository=&action=&claims= */
  | ({ readonly kind: 'access' } & AccessQuery)
  /** POST /ui/access/robots */
  | { readonly kind: 'change-robot' }
  /** GET /ui/storage?repository= */
  | { readonly kind: 'storage'; readonly repo: RepositoryName | undefined }
  /** GET /ui/storage/map */
  | { readonly kind: 'storage-map' }
  /** GET /ui/repositories/<name>/-/timeline?before= */
  | { readonly kind: 'timeline'; readonly repo: RepositoryName; readonly before: number | undefined }
  /** GET /ui/compare?a=&b=&platform=. As they were sent: a page says what is wrong with them. */
  | ({ readonly kind: 'compare' } & Compared)
  | PastRoute
  /** GET /ui/login?to=. @property to the page that follows; one of this registry */
  | { readonly kind: 'login-form'; readonly to: string }
  /** GET /ui/login/with/<issuer>?to=. @property to as above */
  | { readonly kind: 'issuer-login'; readonly issuer: string; readonly to: string }
  /** GET /ui/login/with/<issuer>/done. @property answer of the issuer: the query */
  | { readonly kind: 'issuer-done'; readonly issuer: string; readonly answer: string }
  /** POST /ui/login */
  | { readonly kind: 'login' }
  /** POST /ui/logout */
  | { readonly kind: 'logout' }
  /** GET /ui/assets/<name> */
  | { readonly kind: 'asset'; readonly name: string }
  /** GET /ui, and / of browsers */
  | { readonly kind: 'to-home' };

interface Compared {
  readonly a: string;
  readonly b: string;
  readonly platform: string;
}

/** Below /ui/at/<moment>/. */
type PastRoute =
  /** GET /ui/at/<moment>/?after= */
  | { readonly kind: 'past-home'; readonly at: Moment; readonly after: string | undefined }
  /** GET /ui/at/<moment>/repositories/<name>?sort=&q=&after= */
  | {
      readonly kind: 'past-repository';
      readonly at: Moment;
      readonly repo: RepositoryName;
      readonly sort: TagOrder;
      readonly q: string;
      readonly after: number;
    }
  /** GET /ui/at/<moment>/repositories/<name>:<tag>, <name>@<digest> */
  | {
      readonly kind: 'past-manifest';
      readonly at: Moment;
      readonly repo: RepositoryName;
      readonly reference: Reference;
    }
  /** GET /ui/at/<moment>/compare?a=&b=&platform=: leads to the comparison of both as they were then */
  | ({ readonly kind: 'past-compare'; readonly at: Moment } & Compared)
  /** GET /ui/at?moment=&named=: leads to one of these. @property named a repository, with a tag or digest, or empty */
  | { readonly kind: 'to-past'; readonly moment: string; readonly named: string };

const START = '/ui/';
const REPOSITORIES = '/ui/repositories/';
const ASSETS = '/ui/assets/';

const SORTS: readonly RepositorySort[] = ['name', 'pushed', 'size'];

/** Longer searches find nothing. */
const MAX_SEARCH = 255;
/** Characters of the claims of a token. */
const MAX_CLAIMS = 2_000;
/** A name of 255 characters with a digest and a moment. */
const MAX_COMPARED = 512;

/**
 * Parses the address of a page. Pure: names are validated, not looked up. Unknown parameters are ignored, because links to pages are
 * passed on, and mail programs and others add to them.
 * @param path decoded
 * @throws RegistryError `route-unknown`, `method-not-allowed`, and `…-invalid` for malformed parts
 */
export function parsePageRoute(method: string, path: string, query: URLSearchParams): PageRoute {
  if (path === '/' || path === '/ui') return get(method, { kind: 'to-home' });
  if (path === START) {
    const under = parseRepositoryName(query.get('under') ?? '');
    const sort = SORTS.find((each) => each === query.get('sort')) ?? 'name';
    return get(method, { kind: 'home', q: searchOf(query), under, sort, after: query.get('after') || undefined });
  }
  if (path === JUMP) return get(method, { kind: 'jump', q: searchOf(query) });
  if (path === CHANGES) {
    return get(method, { kind: 'changes', ...changesOf(query), before: query.get('before') ?? undefined });
  }
  if (path === NEW_CHANGES) {
    return get(method, { kind: 'new-changes', ...changesOf(query), since: query.get('since') ?? '' });
  }
  if (path === OPERATIONS) {
    if (method === 'POST') return { kind: 'order' };
    return get(method, { kind: 'operations', done: textOf(query, 'done', MAX_SEARCH) }, 'POST');
  }
  if (path === ACCESS) return get(method, { kind: 'access', ...accessOf(query) });
  if (path === ROBOTS) return post(method, { kind: 'change-robot' });
  if (path === COMPARE) return get(method, { kind: 'compare', ...comparedOf(query) });
  if (path === PAST || path.startsWith(`${PAST}/`)) return pastRoute(method, path.slice(PAST.length + 1), query);
  if (path === STORAGE) return get(method, { kind: 'storage', repo: repositoryOf(query) });
  if (path === STORAGE_MAP) return get(method, { kind: 'storage-map' });
  if (path === '/ui/login') {
    if (method === 'POST') return { kind: 'login' };
    return get(method, { kind: 'login-form', to: pageOf(query.get('to')) }, 'POST');
  }
  if (path.startsWith(LOGIN_WITH)) return withIssuer(method, path.slice(LOGIN_WITH.length), query);
  if (path === '/ui/logout') return post(method, { kind: 'logout' });
  if (path.startsWith(ASSETS)) return get(method, { kind: 'asset', name: path.slice(ASSETS.length) });
  if (path.startsWith(REPOSITORIES)) return inRepository(method, path.slice(REPOSITORIES.length), query);
  throw unknownPage();
}

/** @param rest the name of an issuer, alone or with `/done` */
function withIssuer(method: string, rest: string, query: URLSearchParams): PageRoute {
  const [issuer = '', last, ...others] = rest.split('/');
  if (issuer === '' || others.length > 0) throw unknownPage();
  if (last === undefined) return get(method, { kind: 'issuer-login', issuer, to: pageOf(query.get('to')) });
  if (last !== 'done') throw unknownPage();
  // A HEAD would use up the code.
  if (method !== 'GET') throw methodNotAllowed(method, ['GET']);
  return { kind: 'issuer-done', issuer, answer: query.toString() };
}

/** @param rest a name, or a name with `:<tag>`, `@<digest>` or `/-/<part>` */
function inRepository(method: string, rest: string, query: URLSearchParams): PageRoute {
  const action = rest.indexOf('/-/');
  if (action > 0) return below(method, requireName(rest.slice(0, action)), rest.slice(action + 3), query);
  const { repo, reference } = namedIn(rest);
  if (reference !== undefined) return get(method, { kind: 'manifest', repo, reference });
  return get(method, {
    kind: 'repository',
    ...{ repo, sort: orderOf(query), q: searchOf(query) },
    after: numberOf(query.get('after')) ?? 0,
    undo: numberOf(query.get('undo')),
  });
}

/** @param rest what follows `/ui/at/` */
function pastRoute(method: string, rest: string, query: URLSearchParams): PageRoute {
  if (rest === '') {
    const text = (name: string): string => (query.get(name) ?? '').trim().slice(0, MAX_COMPARED);
    return get(method, { kind: 'to-past', moment: text('moment'), named: text('named') });
  }
  const slash = rest.indexOf('/');
  const at = pageMomentOf(slash < 0 ? rest : rest.slice(0, slash));
  const page = slash < 0 ? '' : rest.slice(slash + 1);
  if (page === '') return get(method, { kind: 'past-home', at, after: query.get('after') || undefined });
  if (page === 'compare') return get(method, { kind: 'past-compare', at, ...comparedOf(query) });
  if (!page.startsWith('repositories/')) throw unknownPage();
  const { repo, reference } = namedIn(page.slice('repositories/'.length));
  if (reference !== undefined) return get(method, { kind: 'past-manifest', at, repo, reference });
  return get(method, {
    kind: 'past-repository',
    ...{ at, repo, sort: orderOf(query), q: searchOf(query) },
    after: numberOf(query.get('after')) ?? 0,
  });
}

function comparedOf(query: URLSearchParams): Compared {
  const text = (name: string): string => (query.get(name) ?? '').trim().slice(0, MAX_COMPARED);
  return { a: text('a'), b: text('b'), platform: text('platform') };
}

/** As in names of the past, eight digits are a day. @throws RegistryError `request-invalid` */
export function pageMomentOf(text: string): Moment {
  const moment = parseCompactTime(text) ?? parseMoment(text);
  if (moment === undefined)
    throw new RegistryError('request-invalid', `this is no moment: ${MOMENT_FORMS} is expected`);
  return moment.kind === 'slot' ? moment : secondOf(moment.until);
}

/** @param text `<name>`, `<name>:<tag>`, `<name>@<digest>` @throws RegistryError `…-invalid` */
export function namedIn(text: string): { readonly repo: RepositoryName; readonly reference: Reference | undefined } {
  const at = text.indexOf('@');
  if (at > 0) {
    const digest = requireDigest(text.slice(at + 1));
    return { repo: requireName(text.slice(0, at)), reference: { kind: 'digest', digest } };
  }
  const colon = text.indexOf(':');
  if (colon <= 0) return { repo: requireName(text), reference: undefined };
  const tag = parseTag(text.slice(colon + 1));
  if (tag === undefined) throw new RegistryError('tag-invalid', 'this is not a valid tag');
  return { repo: requireName(text.slice(0, colon)), reference: { kind: 'tag', tag } };
}

function orderOf(query: URLSearchParams): TagOrder {
  return TAG_ORDERS.find((each) => each === query.get('sort')) ?? 'time';
}

/** @param part what follows `/-/` */
function below(method: string, repo: RepositoryName, part: string, query: URLSearchParams): PageRoute {
  switch (part) {
    case 'timeline':
      return get(method, { kind: part, repo, before: numberOf(query.get('before')) });
    case 'delete':
    case 'restore':
    case 'tag':
    case 'pin':
    case 'unpin':
      return post(method, { kind: part, repo });
    default:
      throw unknownPage();
  }
}

function requireName(text: string): RepositoryName {
  const name = parseRepositoryName(text);
  if (name === undefined) throw new RegistryError('name-invalid', 'no repository can have this name');
  return name;
}

function repositoryOf(query: URLSearchParams): RepositoryName | undefined {
  const name = query.get('repository') ?? '';
  return name === '' ? undefined : requireName(name);
}

function changesOf(query: URLSearchParams): { readonly repository: string; readonly show: ChangeGroup } {
  return {
    repository: (query.get('repository') ?? '').trim(),
    show: CHANGE_GROUPS.find((each) => each === query.get('show')) ?? 'tags',
  };
}

function accessOf(query: URLSearchParams): AccessQuery {
  return {
    q: searchOf(query),
    who: textOf(query, 'who', MAX_SEARCH),
    repository: textOf(query, 'repository', MAX_SEARCH),
    action: textOf(query, 'action', MAX_SEARCH),
    claims: textOf(query, 'claims', MAX_CLAIMS),
  };
}

function searchOf(query: URLSearchParams): string {
  return textOf(query, 'q', MAX_SEARCH);
}

function textOf(query: URLSearchParams, name: string, max: number): string {
  return (query.get(name) ?? '').trim().slice(0, max).toWellFormed();
}

function numberOf(text: string | null): number | undefined {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

const PAGE_ADDRESS = /^\/ui\/(?!\/)[\w\-./:@?=&%+~]{0,1000}$/;

/** A page to go to after a log-in. Anything but an address below /ui/ is the first page, so no link leads away from here. */
export function pageOf(text: string | null): string {
  if (text === null || !PAGE_ADDRESS.test(text)) return START;
  // Browsers resolve `..` in an address, also percent-encoded, before they follow it.
  return new URL(text, 'http://localhost').pathname.startsWith(START) ? text : START;
}

function get(method: string, route: PageRoute, ...others: readonly string[]): PageRoute {
  if (method === 'GET' || method === 'HEAD') return route;
  throw methodNotAllowed(method, ['GET', 'HEAD', ...others]);
}

function post(method: string, route: PageRoute): PageRoute {
  if (method === 'POST') return route;
  throw methodNotAllowed(method, ['POST']);
}

function methodNotAllowed(method: string, allowed: readonly string[]): RegistryError {
  const message = `${method} is not allowed here, only ${allowed.join(', ')}`;
  return new RegistryError('method-not-allowed', message, { allow: allowed });
}

function unknownPage(): RegistryError {
  return new RegistryError('route-unknown', 'there is no such page');
}
