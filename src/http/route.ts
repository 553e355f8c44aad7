import { type Algorithm, DEFAULT_ALGORITHM, isAlgorithm, parseDigest, requireDigest } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import {
  type Digest,
  parseRepositoryName,
  parseTag,
  parseUploadId,
  type RepositoryName,
  type Tag,
  type UploadId,
} from '../oci/names.ts';
import type { Reference } from '../registry/interface.ts';
import type { ApiRoute } from './api/endpoints.ts';
import { parseApiRoute } from './api/parse-api-route.ts';
import { type PageRoute, parsePageRoute } from './ui/page-route.ts';

interface OfRepository {
  readonly repo: RepositoryName;
}
interface OfBlob extends OfRepository {
  readonly digest: Digest;
}
interface OfManifest extends OfRepository {
  readonly reference: Reference;
}
interface OfUpload extends OfRepository {
  readonly upload: UploadId;
}
interface Paged {
  /** Maximum entries of the page; undefined: the registry's default. */
  readonly n: number | undefined;
  readonly last: string | undefined;
}

interface TokenQuery {
  readonly service: string | undefined;
  readonly scopes: readonly string[];
  /** Whether the client also wants a refresh token. */
  readonly offline: boolean;
  /** What the client calls itself. */
  readonly clientId: string | undefined;
}

/** Every request of the API, with its endpoint in the spec. */
export type Route =
  /** end-1 GET /v2/ */
  | { readonly kind: 'ping' }
  /** end-2 GET, HEAD /v2/<name>/blobs/<digest> */
  | ({ readonly kind: 'blob-get' } & OfBlob)
  | ({ readonly kind: 'blob-head' } & OfBlob)
  /** end-10 DELETE /v2/<name>/blobs/<digest> */
  | ({ readonly kind: 'blob-delete' } & OfBlob)
  /** end-3 GET, HEAD /v2/<name>/manifests/<tag-or-digest> */
  | ({ readonly kind: 'manifest-get' } & OfManifest)
  | ({ readonly kind: 'manifest-head' } & OfManifest)
  /** end-7a, end-7b PUT /v2/<name>/manifests/<tag-or-digest>, ?tag= with a digest */
  | ({ readonly kind: 'manifest-put'; readonly tags: readonly Tag[] } & OfManifest)
  /** end-9 DELETE /v2/<name>/manifests/<tag-or-digest> */
  | ({ readonly kind: 'manifest-delete' } & OfManifest)
  /** end-4a, end-4c POST /v2/<name>/blobs/uploads/, ?digest-algorithm= */
  | ({ readonly kind: 'upload-start'; readonly algorithm: Algorithm } & OfRepository)
  /** end-4b POST /v2/<name>/blobs/uploads/?digest=<digest> */
  | ({ readonly kind: 'upload-monolithic' } & OfBlob)
  /** end-11 POST /v2/<name>/blobs/uploads/?mount=<digest>&from=<other_name> */
  | ({ readonly kind: 'blob-mount'; readonly from: RepositoryName | undefined } & OfBlob)
  /** end-5 PATCH <blob-push-location> */
  | ({ readonly kind: 'upload-chunk' } & OfUpload)
  /** end-6 PUT <blob-push-location>?digest=<digest> */
  | ({ readonly kind: 'upload-close'; readonly digest: Digest } & OfUpload)
  /** end-13 GET <blob-push-location>; also HEAD, like the endpoints below */
  | ({ readonly kind: 'upload-status' } & OfUpload)
  /** end-14 DELETE <blob-push-location> */
  | ({ readonly kind: 'upload-cancel' } & OfUpload)
  /** end-8a, end-8b GET /v2/<name>/tags/list */
  | ({ readonly kind: 'tags-list' } & OfRepository & Paged)
  /** end-12a, end-12b GET /v2/<name>/referrers/<digest>; `last` is Marina's own, for pagination */
  | ({
      readonly kind: 'referrers';
      readonly artifactType: string | undefined;
      readonly last: Digest | undefined;
    } & OfBlob)
  /** not in the spec: GET /v2/_catalog, and /v2/<name>/_catalog of the registry that stands under that name */
  | ({ readonly kind: 'catalog'; readonly base?: RepositoryName } & Paged)
  /** not in the spec: GET /token (distribution, spec/auth/token.md) */
  | ({ readonly kind: 'token-get' } & TokenQuery)
  /** not in the spec: POST /token (distribution, spec/auth/oauth.md) */
  | { readonly kind: 'token-post' }
  /** /ui/…; ui/page-route.ts lists them */
  | { readonly kind: 'page'; readonly page: PageRoute }
  /** GET and POST /api/v1/…; api/endpoints.ts lists them */
  | ApiRoute;

export type RouteKind = Route['kind'];

/** The spec requires at least ten. More get 414. */
export const MAX_TAG_PARAMETERS = 256;

/** Address of the token endpoint. */
export const TOKEN_PATH = '/token';

const API_START = '/api/v1/';

/** Shared by all requests without a query, which most are. */
const NO_QUERY = new URLSearchParams();

/**
 * Parses a request's method and target. Pure: names are validated, not looked up. A route of /api/v1 is a promise, since its code may have
 * to be loaded first; everything else must not pay for one.
 * @param target path and query as sent, still percent-encoded
 * @throws RegistryError `route-unknown`, `method-not-allowed`, `upload-unknown`, `too-many-tags`, and `…-invalid` for malformed parts
 */
export function parseRoute(method: string, target: string): Route | Promise<Route> {
  const mark = target.indexOf('?');
  const path = decodePath(mark < 0 ? target : target.slice(0, mark));
  const query = mark < 0 ? NO_QUERY : new URLSearchParams(target.slice(mark + 1));
  if (path === '/v2' || path === '/v2/') return getOrHead(method, () => ({ kind: 'ping' }));
  if (path === TOKEN_PATH) return tokenRoute(method, query);
  if (path.startsWith(API_START)) return requireApiRoute(method, path, query);
  if (path === '/ui' || path.startsWith('/ui/')) return { kind: 'page', page: parsePageRoute(method, path, query) };
  if (!path.startsWith('/v2/')) throw routeUnknown();
  if (path === '/v2/_catalog') return getOrHead(method, () => ({ kind: 'catalog', ...pageOf(query) }));

  // The path is matched from its end, because `blobs`, `manifests`, `tags` and `uploads` are also valid in repository names.
  const parts = path.slice('/v2/'.length).split('/');
  const last = parts[parts.length - 1] ?? '';
  const before = parts[parts.length - 2];
  if (last === '_catalog') {
    const base = nameOf(parts, 1);
    return getOrHead(method, () => ({ kind: 'catalog', base, ...pageOf(query) }));
  }
  if (isUploads(parts)) return uploadsRoute(method, nameOf(parts, last === '' ? 3 : 2), query);
  switch (before) {
    case 'blobs':
      return blobRoute(method, nameOf(parts, 2), last);
    case 'manifests':
      return manifestRoute(method, nameOf(parts, 2), last, query);
    case 'uploads':
      if (parts[parts.length - 3] === 'blobs') return uploadRoute(method, nameOf(parts, 3), last, query);
      break;
    case 'tags':
      if (last === 'list') {
        const repo = nameOf(parts, 2);
        return getOrHead(method, () => ({ kind: 'tags-list', repo, ...pageOf(query) }));
      }
      break;
    case 'referrers':
      return referrersRoute(method, nameOf(parts, 2), last, query);
  }
  throw routeUnknown();
}

/** Matches `…/blobs/uploads` and `…/blobs/uploads/`. "uploads" is not a digest, so this cannot be the address of a blob. */
function isUploads(parts: readonly string[]): boolean {
  const end = parts[parts.length - 1] === '' ? parts.length - 1 : parts.length;
  return parts[end - 1] === 'uploads' && parts[end - 2] === 'blobs';
}

function blobRoute(method: string, repo: RepositoryName, last: string): Route {
  const digest = requireDigest(last);
  return allow(method, {
    GET: { kind: 'blob-get', repo, digest },
    HEAD: { kind: 'blob-head', repo, digest },
    DELETE: { kind: 'blob-delete', repo, digest },
  });
}

function manifestRoute(method: string, repo: RepositoryName, last: string, query: URLSearchParams): Route {
  const reference = parseReference(last);
  return allow(method, {
    GET: { kind: 'manifest-get', repo, reference },
    HEAD: { kind: 'manifest-head', repo, reference },
    PUT: () => ({ kind: 'manifest-put', repo, reference, tags: tagParameters(reference, query) }),
    DELETE: { kind: 'manifest-delete', repo, reference },
  });
}

function uploadsRoute(method: string, repo: RepositoryName, query: URLSearchParams): Route {
  return allow(method, {
    POST: () => {
      const mount = query.get('mount');
      // If the blob cannot be mounted, an upload starts instead. Only a malformed digest is refused.
      if (mount !== null) return { kind: 'blob-mount', repo, digest: requireDigest(mount), from: sourceOf(query) };
      const digest = query.get('digest');
      if (digest !== null) return { kind: 'upload-monolithic', repo, digest: requireDigest(digest) };
      return { kind: 'upload-start', repo, algorithm: algorithmParameter(query) };
    },
  });
}

function uploadRoute(method: string, repo: RepositoryName, last: string, query: URLSearchParams): Route {
  const upload = parseUploadId(last);
  if (upload === undefined)
    throw new RegistryError('upload-unknown', 'there is no such upload: this registry did not issue its id');
  return allow(method, {
    PATCH: { kind: 'upload-chunk', repo, upload },
    PUT: () => ({ kind: 'upload-close', repo, upload, digest: requireDigest(query.get('digest') ?? '') }),
    GET: { kind: 'upload-status', repo, upload },
    HEAD: { kind: 'upload-status', repo, upload },
    DELETE: { kind: 'upload-cancel', repo, upload },
  });
}

async function requireApiRoute(method: string, path: string, query: URLSearchParams): Promise<Route> {
  const route = await parseApiRoute(method, path, query);
  if (route === undefined) throw routeUnknown();
  return route;
}

/** An empty parameter counts as none. */
function tokenRoute(method: string, query: URLSearchParams): Route {
  const get = (): Route => ({
    kind: 'token-get',
    service: query.get('service') || undefined,
    scopes: query.getAll('scope'),
    offline: query.get('offline_token') === 'true',
    clientId: query.get('client_id') || undefined,
  });
  return allow(method, { GET: get, HEAD: get, POST: { kind: 'token-post' } });
}

function referrersRoute(method: string, repo: RepositoryName, last: string, query: URLSearchParams): Route {
  const digest = requireDigest(last);
  return getOrHead(method, () => ({
    kind: 'referrers',
    repo,
    digest,
    // An empty artifactType is the same as none.
    artifactType: query.get('artifactType') || undefined,
    last: parseDigest(query.get('last') ?? ''),
  }));
}

/** Allows GET and HEAD ("All general-purpose servers MUST support the methods GET and HEAD"). Bun drops the body for HEAD. */
function getOrHead(method: string, route: () => Route): Route {
  return allow(method, { GET: route, HEAD: route });
}

/** The route for the method. Routes that are functions are evaluated only for their own method. */
function allow(method: string, routes: Readonly<Record<string, Route | (() => Route)>>): Route {
  const route = Object.hasOwn(routes, method) ? routes[method] : undefined;
  if (route === undefined) {
    const allowed = Object.keys(routes);
    throw new RegistryError('method-not-allowed', `${method} is not allowed here, only ${allowed.join(', ')}`, {
      allow: allowed,
    });
  }
  return typeof route === 'function' ? route() : route;
}

/**
 * Characters that must not be percent-encoded in a path: letters, digits and - . _ ~, which RFC 3986 says "should not" be (section 2.3),
 * slashes and backslashes. Encoding them would bypass path rules in a proxy. Dots and backslashes that are *not* encoded are resolved
 * by Bun before Marina sees the path, so a proxy must refuse those (docs/operations.md).
 */
const NEEDLESSLY_ENCODED = /%(?:2[d-f]|3\d|[46][1-9a-f]|[57][0-9a]|5[cf]|7e)/i;

function decodePath(path: string): string {
  if (!path.includes('%')) return path;
  if (NEEDLESSLY_ENCODED.test(path)) {
    throw new RegistryError(
      'name-invalid',
      'letters, digits, - . _ ~ / and \\ in the path must not be percent-encoded',
    );
  }
  try {
    return decodeURIComponent(path);
  } catch {
    throw new RegistryError('name-invalid', 'the path has an invalid percent-encoding');
  }
}

/** The repository name: everything except the last `count` parts. */
function nameOf(parts: readonly string[], count: number): RepositoryName {
  return requireName(parts.slice(0, -count).join('/'));
}

function requireName(text: string): RepositoryName {
  const name = parseRepositoryName(text);
  if (name !== undefined) return name;
  throw new RegistryError(
    'name-invalid',
    'a repository name has lower-case letters and digits, separated by . _ __ - or /, and at most 255 characters',
  );
}

/** Digests have a colon and tags have none, so no text is both. */
export function parseReference(text: string): Reference {
  if (text.includes(':')) return { kind: 'digest', digest: requireDigest(text) };
  const tag = parseTag(text);
  if (tag !== undefined) return { kind: 'tag', tag };
  throw new RegistryError(
    'tag-invalid',
    'a tag has letters, digits, _ . and -, does not begin with . or -, and has at most 128 characters',
  );
}

function tagParameters(reference: Reference, query: URLSearchParams): Tag[] {
  const texts = query.getAll('tag');
  // "When pushing a manifest by digest, the registry MAY support the pushing of tags". By tag, the path has the only one.
  if (reference.kind === 'tag') return [reference.tag];
  if (texts.length > MAX_TAG_PARAMETERS) {
    throw new RegistryError('too-many-tags', `at most ${MAX_TAG_PARAMETERS} tags can be set in one request`);
  }
  const tags = texts.map((text) => {
    const tag = parseTag(text);
    if (tag === undefined) throw new RegistryError('tag-invalid', 'a tag parameter is not a valid tag');
    return tag;
  });
  return [...new Set(tags)];
}

function sourceOf(query: URLSearchParams): RepositoryName | undefined {
  const from = query.get('from');
  return from === null || from === '' ? undefined : requireName(from);
}

function algorithmParameter(query: URLSearchParams): Algorithm {
  const text = query.get('digest-algorithm');
  if (text === null) return DEFAULT_ALGORITHM;
  if (isAlgorithm(text)) return text;
  throw new RegistryError('digest-invalid', 'the digest-algorithm must be sha256 or sha512');
}

function pageOf(query: URLSearchParams): Paged {
  const n = query.get('n');
  if (n !== null && !/^\d{1,15}$/.test(n)) throw new RegistryError('request-invalid', 'n must be a number, 0 or more');
  return { n: n === null ? undefined : Number(n), last: query.get('last') ?? undefined };
}

function routeUnknown(): RegistryError {
  return new RegistryError('route-unknown', 'there is no such endpoint');
}
