// The matrix: every kind of request x every kind of caller x every kind of repository x both schemes. The expected response of each
// cell is computed from the rules in docs/access.md, not listed.
import { expect } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { makeTokenKey } from '../../src/access/tokens/keys.ts';
import type { RouteKind } from '../../src/http/route.ts';
import { eventually } from '../support/eventually.ts';
import {
  type Caller,
  FOREIGN_SOURCE,
  fill,
  type Needs,
  type Place,
  ROWS,
  SOURCE,
  type Variant,
} from './matrix-routes.ts';
import { type AccessFiles, type Account, basic, forged, fromNewAddress, has, PUBLIC_HOST, tokenFor } from './world.ts';

const SCHEMES = ['Basic', 'Bearer'] as const;
type Scheme = (typeof SCHEMES)[number];

const SORTS = [
  'anonymous',
  'wrong password',
  'disabled',
  'expired',
  'wrong audience',
  'wrong scope',
  'foreign issuer',
  'reader',
  'creator',
  'pusher',
  'deleter',
  'admin',
] as const;
type Sort = (typeof SORTS)[number];

/**
 * Of `own` ones there are rules for all accounts but one, of `other` ones only for the administrator, and from `public` ones everyone
 * may pull.
 */
const PLACES = ['own', 'own missing', 'other', 'other missing', 'public', 'public missing'] as const;
const OWNERS = { own: 'ours', other: 'them', public: 'free' } as const;
type PlaceSort = (typeof PLACES)[number];

/** What the registry can know about a caller. */
type Standing =
  /** No credentials. */
  | { readonly kind: 'nobody' }
  /** Credentials that prove nothing. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'account'; readonly account: Account }
  /** A token that was issued without credentials. */
  | { readonly kind: 'anonymous token' }
  /** A valid own token for another scope. */
  | { readonly kind: 'other token' };

export interface World {
  readonly url: string;
  /** A token of an account that has been removed. */
  readonly tokenOfRemoved: string;
  /** PEM. */
  readonly key: string;
}

const REMOVED = 'removed';
const CONNECTIONS = 16;

/** Fills the registry, and removes an account from it. @param servers all processes that read the files */
export async function openWorld(files: AccessFiles, servers: readonly { readonly url: string }[]): Promise<World> {
  const [{ url } = expect.unreachable()] = servers;
  const lines = readFileSync(files.htpasswd, 'utf8');
  const removed = `${REMOVED}:${Bun.password.hashSync('secret of removed', { algorithm: 'bcrypt', cost: 4 })}\n`;
  // Of all threads, each of which reads the files by itself: new connections reach all of them.
  const statuses = async () => {
    const headers = { authorization: basic(REMOVED), ...fromNewAddress() };
    const ask = async (each: string) => (await fetch(`${each}/v2/`, { headers, keepalive: false })).status;
    return new Set(
      await Promise.all(servers.flatMap((each) => Array.from({ length: CONNECTIONS }, () => ask(each.url)))),
    );
  };
  writeFileSync(files.htpasswd, lines + removed);
  await eventually(async () => expect(await statuses()).toEqual(new Set([200])), 20_000);
  const tokenOfRemoved = await tokenFor({ url }, basic(REMOVED), 'repository:ours/app-00000:pull,push,delete');
  writeFileSync(files.htpasswd, lines);
  await eventually(async () => expect(await statuses()).toEqual(new Set([401])), 20_000);
  for (const repo of [...Object.values(OWNERS).map((owner) => `${owner}/app-00000`), SOURCE, FOREIGN_SOURCE])
    await fill({ url, repo, exists: true });
  return { url, tokenOfRemoved, key: files.key };
}

let names = 0;

function placeOf(world: World, sort: PlaceSort): Place {
  const { url } = world;
  const [whose = '', missing] = sort.split(' ');
  const owner = Object.entries(OWNERS).find(([name]) => name === whose)?.[1] ?? expect.unreachable();
  if (missing === undefined) return { url, repo: `${owner}/app-00000`, exists: true };
  names++;
  return { url, repo: `${owner}/new-${String(names).padStart(5, '0')}`, exists: false };
}

/** The credentials of a cell, and what they prove. @param scope the scope of the request's challenge */
async function credentialsOf(
  world: World,
  sort: Sort,
  scheme: Scheme,
  scope: string | undefined,
): Promise<{ readonly authorization: string | undefined; readonly standing: Standing }> {
  const scopes = scope === undefined ? [] : scope.replaceAll('pull,push', 'pull,push,delete').split(' ');
  const token = (account: string | undefined, ...asked: readonly string[]) =>
    tokenFor(world, account === undefined ? undefined : basic(account), ...asked);
  // Clients that support only Basic send a token as the password.
  const as = (text: string) => (scheme === 'Bearer' ? `Bearer ${text}` : basic('oidc', text));
  const refused = { kind: 'refused' } as const;
  switch (sort) {
    case 'anonymous':
      return scheme === 'Basic'
        ? { authorization: undefined, standing: { kind: 'nobody' } }
        : { authorization: as(await token(undefined, ...scopes)), standing: { kind: 'anonymous token' } };
    case 'wrong password':
      return { authorization: scheme === 'Basic' ? basic('admin', 'wrong') : 'Bearer wrong', standing: refused };
    case 'disabled':
      return { authorization: scheme === 'Basic' ? basic(REMOVED) : as(world.tokenOfRemoved), standing: refused };
    case 'expired': {
      const [iat, exp] = [7_200, 3_600].map((ago) => Math.floor(Date.now() / 1000) - ago) as [number, number];
      const expired = await forged(await token('admin', ...scopes), world.key, { iat, nbf: iat, exp });
      return { authorization: as(expired), standing: refused };
    }
    case 'wrong audience': {
      const other = await forged(await token('admin', ...scopes), world.key, { aud: 'other.example' });
      return { authorization: as(other), standing: refused };
    }
    case 'foreign issuer': {
      const foreign = await forged(await token('admin', ...scopes), makeTokenKey(), { iss: 'https://idp.example' });
      return { authorization: as(foreign), standing: refused };
    }
    case 'wrong scope':
      return scheme === 'Basic'
        ? { authorization: basic('outsider'), standing: { kind: 'account', account: 'outsider' } }
        : {
            authorization: as(await token('admin', 'repository:elsewhere:pull,push,delete')),
            standing: { kind: 'other token' },
          };
    default:
      return {
        authorization: scheme === 'Basic' ? basic(sort) : as(await token(sort, ...scopes)),
        standing: { kind: 'account', account: sort },
      };
  }
}

function may(standing: Standing, needs: Needs, repo: string): boolean {
  if (needs === 'nothing') return true;
  if (needs === 'identity') return standing.kind !== 'nobody';
  // Every account may do what anonymous callers may; a token allows only its scopes.
  if (needs === 'pull' && repo.startsWith('free/'))
    return standing.kind !== 'other token' && standing.kind !== 'refused';
  if (standing.kind !== 'account') return false;
  const { account } = standing;
  if (account === 'admin') return true;
  return needs !== 'catalog' && needs !== 'admin' && repo.startsWith('ours/') && has(account, needs);
}

interface Expected {
  readonly status: number;
  /** Of the error's body; undefined if it is not checked. */
  readonly code?: string;
  /** Scope and error of the challenge; undefined: there must be none. */
  readonly challenge?: { readonly scope: string | undefined; readonly error: string | undefined };
}

/** The decided rules: docs/access.md, "What callers see". */
function expectedOf(variant: Variant, standing: Standing, scheme: Scheme, place: Place, caller: Caller): Expected {
  const scope = variant.scope(place.repo);
  if (standing.kind === 'refused') {
    const error = scheme === 'Bearer' ? 'invalid_token' : undefined;
    return { status: 401, code: 'UNAUTHORIZED', challenge: { scope, error } };
  }
  // A missing tag cannot be moved.
  const needs = !place.exists && variant.gateNeeds !== undefined ? variant.gateNeeds : variant.needs;
  if (may(standing, needs, place.repo)) {
    const status = variant.granted(place, caller);
    return status === 401 ? { status, challenge: { scope, error: undefined } } : { status };
  }
  if (variant.gateNeeds !== undefined && may(standing, variant.gateNeeds, place.repo))
    return { status: 403, code: 'DENIED' };
  if (standing.kind === 'nobody') return { status: 401, code: 'UNAUTHORIZED', challenge: { scope, error: undefined } };
  if (scheme === 'Bearer')
    return { status: 401, code: 'UNAUTHORIZED', challenge: { scope, error: 'insufficient_scope' } };
  if (variant.refusal === 'denied') return { status: 403, code: 'DENIED' };
  const absent = variant.granted({ ...place, exists: false }, caller);
  return absent === 404 ? { status: 404, code: 'NAME_UNKNOWN' } : { status: absent };
}

interface Seen {
  readonly status: number;
  readonly challenges: string | undefined;
  readonly code: string | undefined;
  /** Everything that the client can see, except what always differs: the requested name, and times. */
  readonly whole: string;
}

/** What lists and searches of the API, and pages, say while the index does not have all changes yet. */
const NOT_COMPLETE = /\\"isComplete\\":false|its index is being filled/;

/** Two answers can only be compared if they are of the same index, so one that is not complete is asked for again. */
async function answerOf(variant: Variant, place: Place, caller: Caller): Promise<Seen> {
  let seen = await answerNow(variant, place, caller);
  if (NOT_COMPLETE.test(seen.whole))
    await eventually(async () => {
      seen = await answerNow(variant, place, caller);
      expect(seen.whole).not.toMatch(NOT_COMPLETE);
    });
  return seen;
}

async function answerNow(variant: Variant, place: Place, caller: Caller): Promise<Seen> {
  const { target, ...init } = await variant.prepare(place, caller);
  const authorization = caller.authorization === undefined ? {} : { authorization: caller.authorization };
  const headers = { ...init.headers, ...authorization, ...fromNewAddress() };
  const response = await fetch(place.url + target, { ...init, headers, redirect: 'manual' });
  const body = await response.text();
  const seen = [...response.headers].filter(([name]) => name !== 'date').sort();
  return {
    status: response.status,
    challenges: response.headers.get('www-authenticate') ?? undefined,
    code: /"code":"(\w+)"/.exec(body)?.[1],
    whole: JSON.stringify([response.status, seen, body]).replaceAll(place.repo, 'NAME'),
  };
}

function challengeOf({ scope, error }: NonNullable<Expected['challenge']>): string {
  const parts = [`realm="http://${PUBLIC_HOST}/token"`, `service="${PUBLIC_HOST}"`];
  if (scope !== undefined) parts.push(`scope="${scope}"`);
  if (error !== undefined) parts.push(`error="${error}"`);
  return `Bearer ${parts.join(',')}`;
}

/** All cells of one kind of request. @returns their number, and those with an unexpected response */
export async function checkRow(world: World, kind: RouteKind): Promise<{ cells: number; wrong: string[] }> {
  const wrong: string[] = [];
  let cells = 0;
  for (const variant of ROWS[kind]) {
    for (const sort of SORTS) {
      for (const scheme of SCHEMES) {
        const answers = new Map<PlaceSort, Seen>();
        for (const each of PLACES) {
          cells++;
          const place = placeOf(world, each);
          const { authorization, standing } = await credentialsOf(world, sort, scheme, variant.scope(place.repo));
          const mayUpload = may(standing, 'create', place.repo);
          const caller = { authorization, mayUpload, isAdmin: sort === 'admin' };
          const seen = await answerOf(variant, place, caller);
          answers.set(each, seen);
          const expected = expectedOf(variant, standing, scheme, place, caller);
          const cell = `${kind} ${variant.name}, ${sort} by ${scheme}, ${each} repository`;
          const challenge = expected.challenge === undefined ? undefined : challengeOf(expected.challenge);
          const hasCode = expected.code !== undefined && !kind.endsWith('-head');
          const isRight =
            seen.status === expected.status &&
            seen.challenges === challenge &&
            (!hasCode || seen.code === expected.code);
          if (!isRight) wrong.push(`${cell}: ${seen.whole}, not ${JSON.stringify({ ...expected, challenge })}`);
        }
        // Only the administrator may know what others have. Every token is different.
        const [other, missing] = [answers.get('other')?.whole, answers.get('other missing')?.whole];
        if (sort !== 'admin' && kind !== 'token-get' && other !== missing)
          wrong.push(
            `${kind} ${variant.name}, ${sort} by ${scheme}: ${other} tells that there is more than ${missing}`,
          );
      }
    }
  }
  return { cells, wrong };
}

export const KINDS = Object.keys(ROWS) as RouteKind[];
