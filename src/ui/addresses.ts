import { parseDigest } from '../oci/digest.ts';
import type { RepositoryName } from '../oci/names.ts';
import type { RepositorySort } from '../overview/interface.ts';
import { formatAddress, type ManifestAddress } from '../past/comparable.ts';
import { formatCompactTime, type Moment, type TimeMoment } from '../past/moment.ts';
import type { Reference } from '../registry/interface.ts';
import type { ChangeGroup } from './models/change-groups.ts';
import type { TagOrder } from './models/tag-order.ts';

/** Addresses of the page: the inverse of `parsePageRoute` in http/ui/. Every link and form uses them. */

export const HOME = '/ui/';
export const LOGIN = '/ui/login';
/** Followed by the name of an issuer. */
export const LOGIN_WITH = '/ui/login/with/';
export const LOGOUT = '/ui/logout';
export const ASSETS = '/ui/assets/';
export const JUMP = '/ui/jump';
export const CHANGES = '/ui/changes';
export const NEW_CHANGES = '/ui/changes/new';
export const ACCESS = '/ui/access';
/** Forms of that page have the same address. */
export const OPERATIONS = '/ui/operations';
/** Forms about robots. */
export const ROBOTS = '/ui/access/robots';
export const COMPARE = '/ui/compare';
/** The past, by a moment and the address of a page of today; alone, a form's address that leads to one. */
export const PAST = '/ui/at';
export const STORAGE = '/ui/storage';
/** What the picture of that page is drawn from, as JSON. */
export const STORAGE_MAP = '/ui/storage/map';
const REPOSITORIES = '/ui/repositories/';

/** A repository as it is, or as it was at a moment (the end of a second). */
export type Place = RepositoryName | PastPlace;

export interface PastPlace {
  readonly repo: RepositoryName;
  readonly at: TimeMoment;
}

type Query = Readonly<Record<string, string | number | undefined>>;

export interface HomeQuery {
  readonly q?: string;
  /** Only repositories below this name. */
  readonly under?: RepositoryName | undefined;
  readonly sort?: RepositorySort;
  readonly after?: string | undefined;
}

export function homeAddress({ q, under, sort, after }: HomeQuery = {}): string {
  // The default stays out of the address.
  return withQuery(HOME, { q, under, sort: sort === 'name' ? undefined : sort, after });
}

export interface TagListQuery {
  readonly sort?: TagOrder;
  readonly q?: string;
  /** How many tags come before the page. */
  readonly after?: number | undefined;
  /** The slot after which the tags were deleted that an Undo button restores. */
  readonly undo?: number | undefined;
}

export function repositoryAddress(place: Place, { sort, q, after, undo }: TagListQuery = {}): string {
  return withQuery(startOf(place), {
    sort: sort === 'time' ? undefined : sort,
    q,
    after: after || undefined,
    undo,
  });
}

/** Tags and digests have no character that must be encoded in a path. */
export function manifestAddress(place: Place, reference: Reference): string {
  return startOf(place) + (reference.kind === 'tag' ? `:${reference.tag}` : `@${reference.digest}`);
}

/** @returns undefined for a text of strangers that is no digest */
export function digestAddress(place: Place, text: string): string | undefined {
  const digest = parseDigest(text);
  return digest === undefined ? undefined : manifestAddress(place, { kind: 'digest', digest });
}

function startOf(place: Place): string {
  return typeof place === 'string' ? REPOSITORIES + place : `${momentAddress(place.at)}repositories/${place.repo}`;
}

/** All repositories as they were. */
export function momentAddress(at: Moment, { after }: { readonly after?: string | undefined } = {}): string {
  const name = at.kind === 'slot' ? String(at.seq) : formatCompactTime(at);
  return withQuery(`${PAST}/${name}/`, { after });
}

export interface CompareQuery {
  /** As `parseComparable` reads them; empty: not chosen yet. */
  readonly a: string;
  readonly b: string;
  /** Of indexes. */
  readonly platform?: string | undefined;
}

export function compareAddress({ a, b, platform }: CompareQuery): string {
  return withQuery(COMPARE, { a, b, platform });
}

export function compareManifests(a: ManifestAddress, b: ManifestAddress, platform?: string): string {
  return compareAddress({ a: formatAddress(a), b: formatAddress(b), platform });
}

/** What a form on the page of a repository does. `-` is no component of a repository's name, so no repository has such an address. */
export type RepositoryAction = 'delete' | 'restore' | 'tag' | 'pin' | 'unpin';

export function actionAddress(repo: RepositoryName, action: RepositoryAction): string {
  return `${REPOSITORIES}${repo}/-/${action}`;
}

export interface ChangesQuery {
  readonly repository: string;
  readonly show: ChangeGroup;
  readonly before?: string | undefined;
}

export function changesAddress({ repository, show, before }: ChangesQuery): string {
  return withQuery(CHANGES, { repository, show: show === 'tags' ? undefined : show, before });
}

/** @param since a cursor */
export function newChangesAddress(query: Omit<ChangesQuery, 'before'> & { readonly since: string }): string {
  const { repository, show, since } = query;
  return withQuery(NEW_CHANGES, { repository, show: show === 'tags' ? undefined : show, since });
}

/** The best matches for the command palette. */
export function jumpAddress(q: string): string {
  return withQuery(JUMP, { q });
}

/** @param done the kind of an order that was carried out */
export function operationsAddress(done?: string): string {
  return withQuery(OPERATIONS, { done });
}

/** What the page of accounts and rules shows; empty texts stand for nothing. */
export interface AccessQuery {
  /** A part of the names of accounts and robots. */
  readonly q: string;
  /** Whose rights are explained. */
  readonly who: string;
  readonly repository: string;
  readonly action: string;
  /** Claims of an OIDC identity, a line for each. */
  readonly claims: string;
}

export function accessAddress(query: Partial<AccessQuery> = {}): string {
  const { q, who, repository, action, claims } = query;
  return withQuery(ACCESS, { q, who, repository, action, claims });
}

/** What takes the space, or what one repository takes. */
export function storageAddress(repository?: RepositoryName): string {
  return withQuery(STORAGE, { repository });
}

/** Everything that happened in a repository. @param before a slot; only earlier ones */
export function timelineAddress(repo: RepositoryName, before?: number): string {
  return withQuery(`${REPOSITORIES}${repo}/-/timeline`, { before });
}

/** @param to the page that follows */
export function loginAddress(to: string): string {
  return withQuery(LOGIN, to === HOME ? {} : { to });
}

/** Where a log-in with an issuer begins. @param to the page that follows */
export function issuerLoginAddress(issuer: string, to: string): string {
  return withQuery(LOGIN_WITH + issuer, to === HOME ? {} : { to });
}

/** Where the issuer leads the browser back to. */
export function issuerCallbackAddress(issuer: string): string {
  return `${LOGIN_WITH}${issuer}/done`;
}

function withQuery(path: string, query: Query): string {
  const pairs = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined || value === '' ? [] : [[name, String(value)]],
  );
  return pairs.length === 0 ? path : `${path}?${new URLSearchParams(pairs)}`;
}
