// Every kind of request: the route that it parses to, and the request line that a client sends.
import fc from 'fast-check';
import { ALL_ACTIONS } from '../../src/access/rules/rule.ts';
import { CHANGE_TYPES } from '../../src/feed/change.ts';
import type { Since } from '../../src/feed/feed.ts';
import type { Route } from '../../src/http/route.ts';
import type { RepositoryName } from '../../src/oci/names.ts';
import { formatAddress } from '../../src/past/comparable.ts';
import type { DiffSide } from '../../src/past/diff-side.ts';
import type { Moment } from '../../src/past/moment.ts';
import { formatWanted } from '../../src/replica/protocol.ts';
import { algorithms, digests, incarnations, repositoryNames, tags, uploadIds } from './generators.ts';
import { pageRequestOf, pageRoutes } from './page-routes.ts';

const REPLICATION = '/api/v1/replication';

/** A request for the route: the inverse of parseRoute. */
export function requestOf(route: Route, encode: (part: string) => string): [method: string, target: string] {
  const query = (parts: Record<string, string | readonly string[] | number | undefined>): string => {
    const pairs = Object.entries(parts).flatMap(([key, value]) =>
      [value ?? []].flat().map((each): [string, string] => [key, String(each)]),
    );
    return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
  };
  const base = 'repo' in route ? `/v2/${route.repo.split('/').map(encode).join('/')}` : '/v2';
  const reference = (): string => {
    if (!('reference' in route)) return '';
    return encode(route.reference.kind === 'tag' ? route.reference.tag : route.reference.digest);
  };
  switch (route.kind) {
    case 'ping':
      return ['GET', '/v2/'];
    case 'blob-get':
      return ['GET', `${base}/blobs/${encode(route.digest)}`];
    case 'blob-head':
      return ['HEAD', `${base}/blobs/${encode(route.digest)}`];
    case 'blob-delete':
      return ['DELETE', `${base}/blobs/${encode(route.digest)}`];
    case 'manifest-get':
      return ['GET', `${base}/manifests/${reference()}`];
    case 'manifest-head':
      return ['HEAD', `${base}/manifests/${reference()}`];
    case 'manifest-put':
      return ['PUT', `${base}/manifests/${reference()}${query({ tag: route.tags })}`];
    case 'manifest-delete':
      return ['DELETE', `${base}/manifests/${reference()}`];
    case 'upload-start':
      return ['POST', `${base}/blobs/uploads/${query({ 'digest-algorithm': route.algorithm })}`];
    case 'upload-monolithic':
      return ['POST', `${base}/blobs/uploads/${query({ digest: route.digest })}`];
    case 'blob-mount':
      return ['POST', `${base}/blobs/uploads/${query({ mount: route.digest, from: route.from })}`];
    case 'upload-chunk':
      return ['PATCH', `${base}/blobs/uploads/${route.upload}`];
    case 'upload-close':
      return ['PUT', `${base}/blobs/uploads/${route.upload}${query({ digest: route.digest })}`];
    case 'upload-status':
      return ['GET', `${base}/blobs/uploads/${route.upload}`];
    case 'upload-cancel':
      return ['DELETE', `${base}/blobs/uploads/${route.upload}`];
    case 'tags-list':
      return ['GET', `${base}/tags/list${query({ n: route.n, last: route.last })}`];
    case 'referrers': {
      const { artifactType, last } = route;
      return ['GET', `${base}/referrers/${encode(route.digest)}${query({ artifactType, last })}`];
    }
    case 'catalog':
      return [
        'GET',
        `/v2/${route.base === undefined ? '' : `${route.base.split('/').map(encode).join('/')}/`}_catalog${query({ n: route.n, last: route.last })}`,
      ];
    case 'token-get': {
      const { service, scopes, clientId } = route;
      const offline = route.offline ? 'true' : undefined;
      return ['GET', `/token${query({ service, scope: scopes, offline_token: offline, client_id: clientId })}`];
    }
    case 'token-post':
      return ['POST', '/token'];
    case 'api-document':
      return ['GET', '/api/v1/openapi.json'];
    case 'api-changes': {
      const { since, repository, type, limit, wait } = route;
      return [
        'GET',
        `/api/v1/changes${query({ since: sinceText(since), repository, type: type?.join(','), limit, wait: `${wait}s` })}`,
      ];
    }
    case 'api-tag-history': {
      const { tag, after, n } = route;
      return ['GET', `${apiOf(route.repo, encode)}/tags/${encode(tag)}/history${query({ after, n })}`];
    }
    case 'api-replication':
      return ['GET', REPLICATION];
    case 'api-replication-slots':
      return ['GET', `${REPLICATION}/slots${query({ of: formatWanted(route.of) })}`];
    case 'api-replication-log':
      return ['GET', `${REPLICATION}/logs/${route.log}${query({ after: route.after, wait: `${route.wait / 1000}s` })}`];
    case 'api-replication-repositories':
      return ['GET', `${REPLICATION}/repositories${query({ after: route.after })}`];
    case 'api-replication-objects':
      return ['GET', `${REPLICATION}/objects${query({ of: route.of.join(',') })}`];
    case 'api-replication-object':
      return ['GET', `${REPLICATION}/objects/${route.incarnation}`];
    case 'api-replication-collections':
      return ['GET', `${REPLICATION}/collections${query({ after: route.after })}`];
    case 'api-replication-collection':
      return ['GET', `${REPLICATION}/collections/${route.epoch}`];
    case 'api-access':
      return ['GET', '/api/v1/access'];
    case 'api-access-explain': {
      const { who, repository, action, claims } = route;
      return ['GET', `/api/v1/access/explain${query({ who, repository, action, claims: claims?.join('\n') })}`];
    }
    case 'api-robots': {
      const { q, after, n } = route;
      return ['GET', `/api/v1/robots${query({ q, after, n })}`];
    }
    case 'api-robot-change':
      return ['POST', '/api/v1/robots'];
    case 'api-operations':
      return ['GET', '/api/v1/operations'];
    case 'api-order':
      return ['POST', '/api/v1/operations'];
    case 'api-diff':
      return [
        'GET',
        `${apiOf(route.repo, encode)}/diff${query({ from: sideText(route.from), to: sideText(route.to) })}`,
      ];
    case 'api-search':
    case 'api-repositories':
    case 'api-storage': {
      const { kind, ...parameters } = route;
      return ['GET', `/api/v1/${kind.slice('api-'.length)}${query(parameters)}`];
    }
    case 'api-totals':
      return ['GET', '/api/v1/totals'];
    case 'api-tags': {
      const { sort, q, after, n } = route;
      return ['GET', `${apiOf(route.repo, encode)}/tags${query({ sort, q, after, n })}`];
    }
    case 'api-retention': {
      const { q, after, n } = route;
      return ['GET', `${apiOf(route.repo, encode)}/retention${query({ q, after, n })}`];
    }
    case 'api-retention-outlook':
      return ['GET', `/api/v1/retention${query({ n: route.n })}`];
    case 'api-pins':
      return ['GET', `${apiOf(route.repo, encode)}/pins`];
    case 'api-sharers':
      return ['GET', `${apiOf(route.repo, encode)}/blobs/${encode(route.digest)}/sharers`];
    case 'api-manifest':
      return ['GET', `${apiOf(route.repo, encode)}/manifests/${reference()}`];
    case 'api-packages': {
      const { q, after, n } = route;
      return ['GET', `${apiOf(route.repo, encode)}/manifests/${reference()}/packages${query({ q, after, n })}`];
    }
    case 'api-compare': {
      const { a, b, platform } = route;
      return ['GET', `/api/v1/compare${query({ a: formatAddress(a), b: formatAddress(b), platform })}`];
    }
    case 'api-repository': {
      const { at, n, tagsAfter, manifestsAfter, subject } = route;
      const when = at === undefined ? undefined : momentText(at);
      return ['GET', `${apiOf(route.repo, encode)}${query({ at: when, n, tagsAfter, manifestsAfter, subject })}`];
    }
    case 'page':
      return pageRequestOf(route.page);
  }
}

/** With a slash at the end, which ends the name; what follows begins with another one. */
function apiOf(repo: RepositoryName, encode: (part: string) => string): string {
  return `/api/v1/repositories/${repo.split('/').map(encode).join('/')}/`;
}

function sinceText(since: Since): string {
  switch (since.kind) {
    case 'time':
      return new Date(since.at).toISOString();
    case 'cursor':
      return since.text;
    default:
      return since.kind;
  }
}

export function momentText(moment: Moment): string {
  return moment.kind === 'slot' ? String(moment.seq) : new Date(moment.until).toISOString();
}

export function sideText(side: DiffSide): string {
  if (side.kind === 'moment') return momentText(side.moment);
  const { reference, at } = side;
  const text = 'tag' in reference ? `tag:${reference.tag}` : reference.digest;
  return at === undefined ? text : `${text}@${momentText(at)}`;
}

export const moments: fc.Arbitrary<Moment> = fc.oneof(
  fc.record({ kind: fc.constant('slot' as const), seq: fc.integer({ min: 1, max: 1e9 }) }),
  fc.record({ kind: fc.constant('time' as const), until: fc.integer({ min: 0, max: Date.UTC(2200, 0) }) }),
);

export const diffSides: fc.Arbitrary<DiffSide> = fc.oneof(
  moments.map((moment) => ({ kind: 'moment' as const, moment })),
  fc.record({
    kind: fc.constant('manifest' as const),
    reference: fc.oneof(
      tags.map((tag) => ({ tag })),
      digests.map((digest) => ({ digest })),
    ),
    at: fc.option(moments, { nil: undefined }),
  }),
);

export const references = fc.oneof(
  tags.map((tag) => ({ kind: 'tag' as const, tag })),
  digests.map((each) => ({ kind: 'digest' as const, digest: each })),
);
const optionalText = fc.option(fc.string({ unit: 'grapheme' }), { nil: undefined });
const pages = { n: fc.option(fc.nat(), { nil: undefined }), last: optionalText };
const pageSizes = fc.integer({ min: 1, max: 1_000 });
const shortPages = fc.integer({ min: 1, max: 500 });
const parts = fc.integer({ min: 1, max: 200 });
const ofRepo = { repo: repositoryNames };
const addresses = fc.record(
  { repo: repositoryNames, reference: references, at: moments },
  { requiredKeys: ['repo', 'reference'] },
);
const searched = fc.string({ unit: 'grapheme', maxLength: 60 });
const one = <K extends Route['kind']>(kind: K): fc.Arbitrary<K> => fc.constant(kind);

/** Any route with any valid parts. */
export const routes: fc.Arbitrary<Route> = fc.oneof(
  fc.record({ kind: one('ping') }),
  fc.record({
    ...ofRepo,
    kind: fc.constantFrom('blob-get', 'blob-head', 'blob-delete', 'upload-monolithic'),
    digest: digests,
  }),
  fc.record({
    ...ofRepo,
    kind: fc.constantFrom('manifest-get', 'manifest-head', 'manifest-delete'),
    reference: references,
  }),
  fc
    .record({
      ...ofRepo,
      kind: one('manifest-put'),
      reference: references,
      tags: fc.uniqueArray(tags, { maxLength: 5 }),
    })
    .map((put) => (put.reference.kind === 'tag' ? { ...put, tags: [put.reference.tag] } : put)),
  fc.record({ ...ofRepo, kind: one('upload-start'), algorithm: algorithms }),
  fc.record({
    ...{ ...ofRepo, kind: one('blob-mount'), digest: digests },
    from: fc.option(repositoryNames, { nil: undefined }),
  }),
  fc.record({ ...ofRepo, kind: fc.constantFrom('upload-chunk', 'upload-status', 'upload-cancel'), upload: uploadIds }),
  fc.record({ ...ofRepo, kind: one('upload-close'), upload: uploadIds, digest: digests }),
  fc.record({ ...ofRepo, ...pages, kind: one('tags-list') }),
  fc.record({
    ...{ ...ofRepo, kind: one('referrers'), digest: digests },
    // An empty one is the same as none.
    artifactType: optionalText.map((type) => type || undefined),
    last: fc.option(digests, { nil: undefined }),
  }),
  fc.record({ ...pages, kind: one('catalog') }),
  fc.record({ ...pages, kind: one('catalog'), base: repositoryNames }),
  fc.record({ kind: fc.constantFrom('api-document', 'api-access', 'api-robot-change', 'api-operations', 'api-order') }),
  fc.record(
    {
      ...{ kind: one('api-access-explain'), who: searched, repository: searched },
      action: fc.constantFrom(...ALL_ACTIONS),
      claims: fc.array(
        searched.filter((line) => !line.includes('\n')),
        { minLength: 1, maxLength: 20 },
      ),
    },
    { requiredKeys: ['kind', 'who', 'repository'] },
  ),
  fc.record(
    { kind: one('api-robots'), q: searched, after: fc.nat(1e6), n: pageSizes },
    { requiredKeys: ['kind', 'after', 'n'] },
  ),
  fc.record({ kind: one('api-replication') }),
  fc.record({
    kind: one('api-replication-slots'),
    of: fc.array(fc.record({ repo: repositoryNames, after: fc.nat() }), { minLength: 1, maxLength: 64 }),
  }),
  fc.record({
    ...{ kind: one('api-replication-log'), log: fc.constantFrom('notes' as const, 'robots' as const), after: fc.nat() },
    wait: fc.integer({ min: 0, max: 30 }).map((seconds) => seconds * 1000),
  }),
  fc.record({ kind: one('api-replication-repositories'), after: repositoryNames }),
  fc.record({ kind: one('api-replication-repositories') }),
  fc.record({ kind: one('api-replication-objects'), of: fc.array(incarnations, { minLength: 1, maxLength: 128 }) }),
  fc.record({ kind: one('api-replication-object'), incarnation: incarnations }),
  fc.record({ kind: one('api-replication-collections'), after: incarnations }),
  fc.record({ kind: one('api-replication-collection'), epoch: incarnations }),
  fc.record(
    {
      ...{ kind: one('api-changes'), limit: pageSizes, wait: fc.integer({ min: 0, max: 60 }) },
      since: fc.oneof(
        fc.record({ kind: fc.constantFrom('now' as const, 'beginning' as const) }),
        fc.record({ kind: fc.constant('time' as const), at: fc.integer({ min: 0, max: Date.UTC(2200, 0) }) }),
        fc.record({
          kind: fc.constant('cursor' as const),
          text: fc.stringMatching(/^[A-Za-z_-][A-Za-z0-9_-]{20,60}$/),
        }),
      ),
      repository: fc.constantFrom('team/**', '*', 'app-[a-z]'),
      type: fc.uniqueArray(fc.constantFrom(...CHANGE_TYPES), { minLength: 1 }),
    },
    { requiredKeys: ['kind', 'limit', 'wait', 'since'] },
  ),
  fc.record({ ...ofRepo, kind: one('api-tag-history'), tag: tags, after: fc.nat(), n: pageSizes }),
  fc.record({ ...ofRepo, kind: one('api-diff'), from: diffSides, to: diffSides }),
  fc.record({ kind: one('api-search'), q: searched, after: fc.nat(1e6), n: shortPages }),
  fc.record(
    {
      ...{ kind: one('api-repositories'), sort: fc.constantFrom('name', 'pushed', 'size'), q: searched },
      ...{ under: repositoryNames, after: fc.string({ maxLength: 60 }), n: shortPages },
    },
    { requiredKeys: ['kind', 'sort', 'n'] },
  ),
  fc.record({ kind: one('api-totals') }),
  fc.record(
    { kind: one('api-storage'), repository: repositoryNames, n: parts, parts },
    { requiredKeys: ['kind', 'n', 'parts'] },
  ),
  fc.record(
    {
      ...{ ...ofRepo, kind: one('api-tags'), sort: fc.constantFrom('time', 'name', 'version') },
      ...{ q: searched, after: fc.nat(1e6), n: pageSizes },
    },
    { requiredKeys: ['repo', 'kind', 'sort', 'after', 'n'] },
  ),
  fc.record(
    { ...ofRepo, kind: one('api-retention'), q: searched, after: fc.nat(1e6), n: pageSizes },
    { requiredKeys: ['repo', 'kind', 'after', 'n'] },
  ),
  fc.record({ kind: one('api-retention-outlook'), n: pageSizes }),
  fc.record({ ...ofRepo, kind: one('api-pins') }),
  fc.record({ ...ofRepo, kind: one('api-sharers'), digest: digests }),
  fc.record({ ...ofRepo, kind: one('api-manifest'), reference: references }),
  fc.record(
    { ...ofRepo, kind: one('api-packages'), reference: references, q: searched, after: fc.nat(1e6), n: pageSizes },
    { requiredKeys: ['repo', 'kind', 'reference', 'after', 'n'] },
  ),
  fc.record(
    { kind: one('api-compare'), a: addresses, b: addresses, platform: searched },
    { requiredKeys: ['kind', 'a', 'b'] },
  ),
  fc.record(
    {
      ...{ ...ofRepo, kind: one('api-repository'), n: pageSizes },
      ...{ at: moments, tagsAfter: fc.string(), manifestsAfter: digests, subject: digests },
    },
    { requiredKeys: ['repo', 'kind', 'n'] },
  ),
  fc.record({
    kind: one('token-get'),
    // An empty parameter is the same as none.
    service: optionalText.map((text) => text || undefined),
    scopes: fc.array(fc.string(), { maxLength: 3 }),
    offline: fc.boolean(),
    clientId: optionalText.map((text) => text || undefined),
  }),
  fc.record({ kind: one('token-post') }),
  fc.record({ kind: one('page'), page: pageRoutes }),
);
