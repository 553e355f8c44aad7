import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { references, requestOf, routes } from '../../test/support/routes.ts';
import { digestFromHex } from '../oci/digest.ts';
import { type ErrorKind, RegistryError } from '../oci/errors.ts';
import type { RepositoryName, Tag, UploadId } from '../oci/names.ts';
import { MAX_TAG_PARAMETERS, parseReference, parseRoute, type Route } from './route.ts';

const digest = digestFromHex('sha256', 'a'.repeat(64));
const other = digestFromHex('sha512', 'b'.repeat(128));
const upload = '01234567-89ab-4cde-8f01-23456789abcd' as UploadId;
const repo = 'team/app' as RepositoryName;
const latest = { kind: 'tag' as const, tag: 'latest' as Tag };
const byDigest = { kind: 'digest' as const, digest };
const start: Route = { kind: 'upload-start', repo, algorithm: 'sha256' };
const all = { n: undefined, last: undefined };

describe('every endpoint', () => {
  test.each<[string, Route]>([
    ['GET /v2/', { kind: 'ping' }],
    ['GET /v2', { kind: 'ping' }],
    ['HEAD /v2/', { kind: 'ping' }],
    [`GET /v2/team/app/blobs/${digest}`, { kind: 'blob-get', repo, digest }],
    [`HEAD /v2/team/app/blobs/${other}`, { kind: 'blob-head', repo, digest: other }],
    [`DELETE /v2/team/app/blobs/${digest}`, { kind: 'blob-delete', repo, digest }],
    ['GET /v2/team/app/manifests/latest', { kind: 'manifest-get', repo, reference: latest }],
    [`GET /v2/team/app/manifests/${digest}`, { kind: 'manifest-get', repo, reference: byDigest }],
    ['HEAD /v2/team/app/manifests/latest', { kind: 'manifest-head', repo, reference: latest }],
    ['PUT /v2/team/app/manifests/latest', { kind: 'manifest-put', repo, reference: latest, tags: [latest.tag] }],
    [`PUT /v2/team/app/manifests/${digest}`, { kind: 'manifest-put', repo, reference: byDigest, tags: [] }],
    [
      `PUT /v2/team/app/manifests/${digest}?tag=a&tag=b&tag=a`,
      { kind: 'manifest-put', repo, reference: byDigest, tags: ['a', 'b'] as Tag[] },
    ],
    [
      'PUT /v2/team/app/manifests/latest?tag=ignored',
      { kind: 'manifest-put', repo, reference: latest, tags: [latest.tag] },
    ],
    ['DELETE /v2/team/app/manifests/latest', { kind: 'manifest-delete', repo, reference: latest }],
    ['POST /v2/team/app/blobs/uploads/', start],
    ['POST /v2/team/app/blobs/uploads', start],
    ['POST /v2/team/app/blobs/uploads/?digest-algorithm=sha512', { ...start, algorithm: 'sha512' }],
    ['POST /v2/team/app/blobs/uploads/?unknown=1', start],
    [`POST /v2/team/app/blobs/uploads/?digest=${digest}`, { kind: 'upload-monolithic', repo, digest }],
    [
      `POST /v2/team/app/blobs/uploads/?digest=${encodeURIComponent(digest)}`,
      { kind: 'upload-monolithic', repo, digest },
    ],
    [`POST /v2/team/app/blobs/uploads/?mount=${digest}`, { kind: 'blob-mount', repo, digest, from: undefined }],
    [`POST /v2/team/app/blobs/uploads/?mount=${digest}&from=`, { kind: 'blob-mount', repo, digest, from: undefined }],
    [
      `POST /v2/team/app/blobs/uploads/?mount=${digest}&from=a%2Fb`,
      { kind: 'blob-mount', repo, digest, from: 'a/b' as RepositoryName },
    ],
    [`PATCH /v2/team/app/blobs/uploads/${upload}`, { kind: 'upload-chunk', repo, upload }],
    [`PUT /v2/team/app/blobs/uploads/${upload}?digest=${other}`, { kind: 'upload-close', repo, upload, digest: other }],
    [`GET /v2/team/app/blobs/uploads/${upload}`, { kind: 'upload-status', repo, upload }],
    [`HEAD /v2/team/app/blobs/uploads/${upload}`, { kind: 'upload-status', repo, upload }],
    [`DELETE /v2/team/app/blobs/uploads/${upload}`, { kind: 'upload-cancel', repo, upload }],
    ['GET /v2/team/app/tags/list', { kind: 'tags-list', repo, ...all }],
    ['HEAD /v2/team/app/tags/list', { kind: 'tags-list', repo, ...all }],
    ['GET /v2/team/app/tags/list?n=0', { kind: 'tags-list', repo, n: 0, last: undefined }],
    ['GET /v2/team/app/tags/list?n=10&last=v1', { kind: 'tags-list', repo, n: 10, last: 'v1' }],
    [
      `GET /v2/team/app/referrers/${digest}`,
      { kind: 'referrers', repo, digest, artifactType: undefined, last: undefined },
    ],
    [
      `HEAD /v2/team/app/referrers/${digest}?artifactType=`,
      { kind: 'referrers', repo, digest, artifactType: undefined, last: undefined },
    ],
    [
      `GET /v2/team/app/referrers/${digest}?artifactType=a%2Fb%2Bc&last=${other}`,
      { kind: 'referrers', repo, digest, artifactType: 'a/b+c', last: other },
    ],
    ['GET /v2/_catalog', { kind: 'catalog', ...all }],
    ['HEAD /v2/_catalog', { kind: 'catalog', ...all }],
    ['GET /v2/_catalog?n=5&last=a/b', { kind: 'catalog', n: 5, last: 'a/b' }],
    ['GET /token', { kind: 'token-get', service: undefined, scopes: [], offline: false, clientId: undefined }],
    [
      'HEAD /token?service=',
      { kind: 'token-get', service: undefined, scopes: [], offline: false, clientId: undefined },
    ],
    [
      'GET /token?service=r.example:5000&scope=repository:a:pull&scope=repository:b:pull+registry:catalog:*&offline_token=true&client_id=docker&account=me',
      {
        kind: 'token-get',
        service: 'r.example:5000',
        scopes: ['repository:a:pull', 'repository:b:pull registry:catalog:*'],
        offline: true,
        clientId: 'docker',
      },
    ],
    ['POST /token', { kind: 'token-post' }],
  ])('%s', async (request, route) => {
    const [method = '', target = ''] = request.split(' ');
    expect(await parseRoute(method, target)).toEqual(route);
  });

  test.each<[string, Route]>([
    [`GET /v2/blobs/blobs/blobs/${digest}`, { kind: 'blob-get', repo: 'blobs/blobs' as RepositoryName, digest }],
    ['GET /v2/manifests/tags/tags/list', { kind: 'tags-list', repo: 'manifests/tags' as RepositoryName, ...all }],
    [
      'GET /v2/manifests/tags/manifests/list',
      {
        kind: 'manifest-get',
        repo: 'manifests/tags' as RepositoryName,
        reference: { kind: 'tag', tag: 'list' as Tag },
      },
    ],
    ['POST /v2/a/blobs/uploads/blobs/uploads/', { ...start, repo: 'a/blobs/uploads' as RepositoryName }],
    ['GET /v2/tags/list/tags/list', { kind: 'tags-list', repo: 'tags/list' as RepositoryName, ...all }],
    [
      'GET /v2/a/blobs/manifests/uploads',
      { kind: 'manifest-get', repo: 'a/blobs' as RepositoryName, reference: { kind: 'tag', tag: 'uploads' as Tag } },
    ],
  ])('with words of the API in the name: %s', (request, route) => {
    const [method = '', target = ''] = request.split(' ');
    expect(parseRoute(method, target)).toEqual(route);
  });
});

const escapeByte = (byte: number): string => `%${byte.toString(16).padStart(2, '0')}`;

describe('an address that is built from a route', () => {
  test.each<[string, (part: string) => string]>([
    ['as it is', (part) => part],
    ['percent-encoded where it must be', encodeURIComponent],
  ])('parses to that route again, %s', async (_, encode) => {
    await fc.assert(
      fc.asyncProperty(routes, async (route) => {
        const [method, target] = requestOf(route, encode);
        expect(await parseRoute(method, target)).toEqual(route);
      }),
    );
  });

  test('is refused if its path encodes characters that need no encoding, as this could bypass the rules of a proxy', async () => {
    await fc.assert(
      fc.asyncProperty(routes, fc.nat(), fc.boolean(), async (route, choice, inUpperCase) => {
        const [method, target] = requestOf(route, (part) => part);
        const [path = '', query] = target.split('?');
        const rest = path.slice('/v2/'.length);
        // Links to pages have colons, too, and nothing encodes them.
        fc.pre(rest !== '' && route.kind !== 'page');
        const at = choice % rest.length;
        const code = escapeByte(rest.charCodeAt(at));
        const encoded = `/v2/${rest.slice(0, at)}${inUpperCase ? code.toUpperCase() : code}${rest.slice(at + 1)}`;
        const parse = () => parseRoute(method, query === undefined ? encoded : `${encoded}?${query}`);
        if (rest[at] === ':') expect(await parse()).toEqual(route);
        else expect(parse).toThrow('percent-encoded');
      }),
    );
    for (const each of ['\\', '/', '.', '~', '-', '_', 'a', 'z', 'A', 'Z', '0', '9'])
      expect(() => parseRoute('GET', `/v2/a/manifests/b${escapeByte(each.charCodeAt(0))}`)).toThrow('percent-encoded');
  });

  test('refuses any other method and lists the allowed ones', async () => {
    const methods = [
      'GET',
      'HEAD',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'OPTIONS',
      'TRACE',
      'constructor',
      '__proto__',
      '',
    ];
    await fc.assert(
      fc.asyncProperty(routes, fc.constantFrom(...methods), async (route, method) => {
        const [, target] = requestOf(route, (part) => part);
        const result = await attempt(method, target);
        if (!(result instanceof RegistryError)) return;
        // The other method may have fewer parameters.
        if (result.kind !== 'method-not-allowed') expect(['digest-invalid', 'request-invalid']).toContain(result.kind);
        else expect(result.detail?.allow).not.toContain(method);
      }),
    );
  });
});

/** The route, or the kind of the RegistryError. Any other error fails the test. */
async function attempt(method: string, target: string): Promise<Route | RegistryError> {
  try {
    return await parseRoute(method, target);
  } catch (error) {
    if (error instanceof RegistryError) return error;
    throw error;
  }
}

async function kindOf(request: string): Promise<string> {
  const [method = '', target = ''] = request.split(' ');
  const result = await attempt(method, target);
  return result instanceof RegistryError ? result.kind : `accepted: ${JSON.stringify(result)}`;
}

describe('anything else', () => {
  test.each<[string, ErrorKind]>([
    ['GET /', 'route-unknown'],
    ['GET /v1/', 'route-unknown'],
    ['GET /v2x/', 'route-unknown'],
    ['GET /v2//', 'route-unknown'],
    ['GET /v2/x', 'route-unknown'],
    ['GET /v2/team/app', 'route-unknown'],
    ['GET /v2/team/app/tags', 'route-unknown'],
    ['GET /v2/team/app/tags/list/', 'route-unknown'],
    ['GET /v2/team/app/tags/other', 'route-unknown'],
    ['GET /v2/team/app/uploads/x', 'route-unknown'],
    ['GET /v2/_catalog/', 'route-unknown'],
    ['GET /v2/tags/list', 'name-invalid'],
    ['GET /v2/manifests/latest', 'name-invalid'],
    [`GET /v2/blobs/${digest}`, 'name-invalid'],
    ['POST /v2/blobs/uploads/', 'name-invalid'],
    [`GET /v2/referrers/${digest}`, 'name-invalid'],
    ['GET /v2/Team/app/tags/list', 'name-invalid'],
    ['GET /v2/team//app/tags/list', 'name-invalid'],
    ['GET /v2/team/../app/tags/list', 'name-invalid'],
    ['GET /v2/team%2Fapp/tags/list', 'name-invalid'],
    ['GET /v2/team/%2e%2e/tags/list', 'name-invalid'],
    ['GET /v2/team/app%00/tags/list', 'name-invalid'],
    ['GET /v2/team/%/tags/list', 'name-invalid'],
    ['GET /v2/team/%ff/tags/list', 'name-invalid'],
    ['GET /v2/team/%c0%af/tags/list', 'name-invalid'],
    [`GET /v2/${'a'.repeat(256)}/tags/list`, 'name-invalid'],
    ['GET /v2/team/app/manifests/', 'tag-invalid'],
    ['GET /v2/team/app/manifests/.hidden', 'tag-invalid'],
    ['GET /v2/team/app/manifests/..%2f..%2fetc', 'name-invalid'],
    [`GET /v2/team/app/manifests/${'t'.repeat(129)}`, 'tag-invalid'],
    ['GET /v2/team/app/manifests/sha256:x', 'digest-invalid'],
    ['GET /v2/team/app/manifests/a:b', 'digest-invalid'],
    ['PUT /v2/team/app/manifests/latest:1', 'digest-invalid'],
    [`PUT /v2/team/app/manifests/${digest}?tag=-x`, 'tag-invalid'],
    [`PUT /v2/team/app/manifests/${digest}?tag=`, 'tag-invalid'],
    [`PUT /v2/team/app/manifests/${digest}?${'tag=a&'.repeat(MAX_TAG_PARAMETERS + 1)}`, 'too-many-tags'],
    ['GET /v2/team/app/blobs/latest', 'digest-invalid'],
    ['GET /v2/team/app/blobs/', 'digest-invalid'],
    ['GET /v2/team/app/blobs/sha256:../../x', 'route-unknown'],
    ['POST /v2/team/app/blobs/uploads/?digest=x', 'digest-invalid'],
    ['POST /v2/team/app/blobs/uploads/?digest=', 'digest-invalid'],
    ['POST /v2/team/app/blobs/uploads/?mount=x&from=a', 'digest-invalid'],
    [`POST /v2/team/app/blobs/uploads/?mount=${digest}&from=A`, 'name-invalid'],
    [`POST /v2/team/app/blobs/uploads/?mount=${digest}&from=..%2F..`, 'name-invalid'],
    ['POST /v2/team/app/blobs/uploads/?digest-algorithm=md5', 'digest-invalid'],
    ['PATCH /v2/team/app/blobs/uploads/1', 'upload-unknown'],
    ['PATCH /v2/team/app/blobs/uploads/..', 'upload-unknown'],
    [`PUT /v2/team/app/blobs/uploads/${upload}`, 'digest-invalid'],
    [`PUT /v2/team/app/blobs/uploads/${upload}?digest=x`, 'digest-invalid'],
    ['GET /v2/team/app/tags/list?n=-1', 'request-invalid'],
    ['GET /v2/team/app/tags/list?n=1.5', 'request-invalid'],
    ['GET /v2/team/app/tags/list?n=x', 'request-invalid'],
    ['GET /v2/team/app/tags/list?n=', 'request-invalid'],
    ['GET /v2/team/app/tags/list?n=1e3', 'request-invalid'],
    [`GET /v2/team/app/tags/list?n=${'9'.repeat(16)}`, 'request-invalid'],
    ['GET /v2/_catalog?n=-1', 'request-invalid'],
    ['GET /v2/team/app/referrers/latest', 'digest-invalid'],
    ['POST /v2/', 'method-not-allowed'],
    ['POST /v2/_catalog', 'method-not-allowed'],
    ['POST /v2/team/app/manifests/latest', 'method-not-allowed'],
    [`PUT /v2/team/app/blobs/${digest}`, 'method-not-allowed'],
    ['GET /v2/team/app/blobs/uploads/', 'method-not-allowed'],
    [`POST /v2/team/app/blobs/uploads/${upload}`, 'method-not-allowed'],
    ['DELETE /v2/team/app/tags/list', 'method-not-allowed'],
    [`DELETE /v2/team/app/referrers/${digest}`, 'method-not-allowed'],
    ['toString /v2/', 'method-not-allowed'],
  ])('%s', async (request, kind) => {
    expect(await kindOf(request)).toBe(kind);
  });

  const pieces = fc.constantFrom(
    ...['/', '//', '?', '&', '=', '%', '%2F', '%00', '..', '.', ':', '#', '\\', '+', ' ', '\n', 'é', '\ud800', '_'],
    ...[
      'v2',
      'blobs',
      'manifests',
      'tags',
      'list',
      'uploads',
      'referrers',
      '_catalog',
      'a',
      'n',
      'last',
      'tag',
      'mount',
    ],
    ...['from', 'digest', digest, other, upload],
  );
  const methods = fc.oneof(fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'), fc.string());
  const targets = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.array(pieces, { maxLength: 14 }).map((parts) => `/v2/${parts.join('')}`),
    fc.array(pieces, { maxLength: 10 }).map((parts) => `/v2/a/${parts.join('/')}`),
  );

  test('is refused with a client error', async () => {
    await fc.assert(
      fc.asyncProperty(methods, targets, async (method, target) => {
        const result = await attempt(method, target);
        if (result instanceof RegistryError) expect(result.message).not.toMatch(/undefined|\[object/);
      }),
      { numRuns: 1000 },
    );
  });
});

test('a reference with a colon is a digest, any other is a tag', () => {
  fc.assert(
    fc.property(references, (reference) => {
      expect(parseReference(reference.kind === 'tag' ? reference.tag : reference.digest)).toEqual(reference);
    }),
  );
});
