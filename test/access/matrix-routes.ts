// Every kind of request of the API, with the right that it needs and the response if the caller has it.
import { createHash } from 'node:crypto';
import type { RouteKind } from '../../src/http/route.ts';
import { randomBlob } from '../support/oci.ts';
import { basic, fromNewAddress, type Right } from './world.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';

/** A repository with content, or the name of a missing one. */
export interface Place {
  readonly url: string;
  readonly repo: string;
  readonly exists: boolean;
}

export interface ApiRequest {
  readonly method: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer> | URLSearchParams;
}

export type Needs = Right | 'identity' | 'catalog' | 'admin' | 'nothing';

export interface Variant {
  readonly name: string;
  readonly needs: Needs;
  /** The scope of the challenge. */
  readonly scope: (repo: string) => string | undefined;
  /** The right that the gate requires, if the decision requires more: a caller with only this right gets 403 in every scheme. */
  readonly gateNeeds?: Right;
  /** `hidden`: an authenticated caller without the right gets the response for a missing repository. */
  readonly refusal: 'hidden' | 'denied';
  /** Sends the request. Content that it needs is created first, by an administrator or by the caller if it has the right. */
  readonly prepare: (place: Place, caller: Caller) => Promise<ApiRequest>;
  /** Statuses for a caller with the right. */
  readonly granted: (place: Place, caller: Caller) => number;
}

export interface Caller {
  /** Its Authorization header. */
  readonly authorization: string | undefined;
  /** Whether it may push to the place. */
  readonly mayUpload: boolean;
  readonly isAdmin: boolean;
}

const pull = (repo: string) => `repository:${repo}:pull`;
const push = (repo: string) => `repository:${repo}:pull,push`;
const remove = (repo: string) => `repository:${repo}:delete`;

/** Bytes that every prepared repository has as a blob. */
export const BLOB = new TextEncoder().encode('a blob that every repository of the matrix has');
export const BLOB_DIGEST = digestOf(BLOB);
export const MANIFEST = indexOf('every repository has it');
export const TAG = 'v1';

/** A repository whose blob is mounted. */
export const SOURCE = 'ours/source';
export const FOREIGN_SOURCE = 'them/source';

let counter = 0;
const unique = (prefix: string): string => `${prefix}${counter++}`;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

function indexOf(text: string): Uint8Array<ArrayBuffer> {
  const index = { schemaVersion: 2, mediaType: INDEX, manifests: [], annotations: { text } };
  return new TextEncoder().encode(JSON.stringify(index));
}

/** Sends a request as the administrator. */
async function asAdmin(place: Place, request: ApiRequest, ...expected: readonly number[]): Promise<Response> {
  const { target, ...init } = request;
  const headers = { ...init.headers, authorization: basic('admin'), ...fromNewAddress() };
  const response = await fetch(place.url + target, { ...init, headers });
  await response.bytes();
  if (!expected.includes(response.status)) throw new Error(`${init.method} ${target} is answered ${response.status}`);
  return response;
}

function putManifest(place: Place, reference: string, manifest: Uint8Array<ArrayBuffer>): ApiRequest {
  const target = `/v2/${place.repo}/manifests/${reference}`;
  return { method: 'PUT', target, headers: { 'content-type': INDEX }, body: manifest };
}

function postBlob(place: Place, bytes: Uint8Array): ApiRequest {
  const target = `/v2/${place.repo}/blobs/uploads/?digest=${digestOf(bytes)}`;
  return { method: 'POST', target, body: new Uint8Array(bytes) };
}

/** Fills a repository with the content that read requests need. */
export async function fill(place: Place): Promise<void> {
  await asAdmin(place, postBlob(place, BLOB), 201);
  await asAdmin(place, putManifest(place, TAG, MANIFEST), 201);
}

/** A new blob in the repository, if the repository exists. */
async function withBlob(place: Place): Promise<string> {
  const { bytes, descriptor } = randomBlob(64);
  if (place.exists) await asAdmin(place, postBlob(place, bytes), 201);
  return descriptor.digest;
}

/** A new manifest with a new tag in the repository, if the repository exists. */
async function withTag(place: Place): Promise<{ tag: string; digest: string; manifest: Uint8Array<ArrayBuffer> }> {
  const tag = unique('t');
  const manifest = indexOf(tag);
  if (place.exists) await asAdmin(place, putManifest(place, tag, manifest), 201);
  return { tag, digest: digestOf(manifest), manifest };
}

/** An upload: the caller's own if it has the right, otherwise one that another caller began. */
async function withUpload(place: Place, caller: Caller, begin: 'own' | 'foreign' = 'own'): Promise<string> {
  const target = `/v2/${place.repo}/blobs/uploads/`;
  if (begin === 'own' && caller.mayUpload && caller.authorization !== undefined) {
    const headers = { authorization: caller.authorization, ...fromNewAddress() };
    const response = await fetch(place.url + target, { method: 'POST', headers });
    await response.bytes();
    return new URL(response.headers.get('location') ?? '', place.url).pathname;
  }
  if (!place.exists) return `${target}00000000-0000-8000-8000-000000000000`;
  const other = begin === 'foreign' && caller.isAdmin ? basic('pusher') : basic('admin');
  const headers = { authorization: other, ...fromNewAddress() };
  const response = await fetch(place.url + target, { method: 'POST', headers });
  await response.bytes();
  const location = response.headers.get('location');
  return location === null ? `${target}00000000-0000-8000-8000-000000000000` : new URL(location, place.url).pathname;
}

const ofPlace = (existing: number, absent: number) => (place: Place) => (place.exists ? existing : absent);
const always = (status: number) => () => status;

function read(name: string, path: string | ((place: Place) => string), granted: Variant['granted'], method = 'GET') {
  return {
    name,
    needs: 'pull',
    scope: pull,
    refusal: 'hidden',
    prepare: async (place: Place) => ({
      method,
      target: `/v2/${place.repo}/${typeof path === 'string' ? path : path(place)}`,
    }),
    granted,
  } satisfies Variant;
}

function readApi(name: string, rest: string, granted: Variant['granted']): Variant {
  const prepare = async ({ repo }: Place) => ({ method: 'GET', target: `/api/v1/repositories/${repo}/${rest}` });
  return { ...read(name, rest, granted), prepare };
}

/** What it tells depends on the caller, but anyone may ask. */
function overview(target: string): Variant {
  return {
    ...{ name: `of ${target}`, needs: 'nothing', scope: () => undefined, refusal: 'denied' },
    prepare: async () => ({ method: 'GET', target: `/api/v1/${target}` }),
    granted: always(200),
  };
}

function write(name: string, rest: Pick<Variant, 'prepare' | 'granted'> & Partial<Variant>): Variant {
  return { name, needs: 'create', scope: push, refusal: 'denied', ...rest };
}

function deleting(name: string, prepare: Variant['prepare']): Variant {
  return { name, needs: 'delete', scope: remove, refusal: 'denied', prepare, granted: ofPlace(202, 404) };
}

/** Any 404 of an upload: the session belongs to another caller. */
const foreignUpload = (method: string): Variant =>
  write('of an upload that someone else began', {
    prepare: async (place, caller) => {
      const location = await withUpload(place, caller, 'foreign');
      const target = method === 'PUT' ? `${location}?digest=${BLOB_DIGEST}` : location;
      return { method, target, ...(method === 'PATCH' || method === 'PUT' ? { body: BLOB } : {}) };
    },
    granted: always(404),
  });

const ownUpload = (method: string, status: number): Variant =>
  write('of an own upload', {
    prepare: async (place, caller) => {
      const location = await withUpload(place, caller);
      const target = method === 'PUT' ? `${location}?digest=${BLOB_DIGEST}` : location;
      return { method, target, ...(method === 'PATCH' || method === 'PUT' ? { body: BLOB } : {}) };
    },
    granted: always(status),
  });

function mounting(name: string, from: string | undefined, granted: Variant['granted']): Variant {
  const query = from === undefined ? '' : `&from=${from}`;
  return write(name, {
    scope: (repo) => (from === undefined ? push(repo) : `${push(repo)} ${pull(from)}`),
    prepare: async ({ repo }) => ({
      method: 'POST',
      target: `/v2/${repo}/blobs/uploads/?mount=${BLOB_DIGEST}${query}`,
    }),
    granted,
  });
}

function readReplication(name: string, path: string, status = 200): Variant {
  return administration(name, async () => ({ method: 'GET', target: `/api/v1/replication${path}` }), status);
}

function administration(name: string, prepare: Variant['prepare'], status = 200): Variant {
  return {
    ...{ name, needs: 'admin', scope: () => 'registry:admin:*', refusal: 'denied' },
    prepare,
    granted: always(status),
  };
}

/** A request that an administrator may send, with a body in JSON. */
function ordering(name: string, target: string, body: () => object, status = 200): Variant {
  const headers = { 'content-type': 'application/json' };
  return administration(
    name,
    async () => ({ method: 'POST', target, headers, body: new TextEncoder().encode(JSON.stringify(body())) }),
    status,
  );
}

/** A name in the store that nothing has. */
const NO_OBJECT = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

/** A kind without a row does not compile. */
export const ROWS: { readonly [K in RouteKind]: readonly [Variant, ...Variant[]] } = {
  ping: [
    {
      name: 'of the base',
      needs: 'identity',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/v2/' }),
      granted: always(200),
    },
  ],
  'blob-get': [read('of a blob', `blobs/${BLOB_DIGEST}`, ofPlace(200, 404))],
  'blob-head': [read('of a blob', `blobs/${BLOB_DIGEST}`, ofPlace(200, 404), 'HEAD')],
  'blob-delete': [
    deleting('of a blob', async (place) => ({
      method: 'DELETE',
      target: `/v2/${place.repo}/blobs/${await withBlob(place)}`,
    })),
  ],
  'manifest-get': [
    read('by tag', `manifests/${TAG}`, ofPlace(200, 404)),
    read('by digest', `manifests/${digestOf(MANIFEST)}`, ofPlace(200, 404)),
  ],
  'manifest-head': [
    read('by tag', `manifests/${TAG}`, ofPlace(200, 404), 'HEAD'),
    read('by digest', `manifests/${digestOf(MANIFEST)}`, ofPlace(200, 404), 'HEAD'),
  ],
  'manifest-put': [
    write('of a new tag', {
      prepare: async (place) => putManifest(place, unique('new'), MANIFEST),
      granted: always(201),
    }),
    write('of a tag that has this digest already', {
      prepare: async (place) => {
        const { tag, manifest } = await withTag(place);
        return putManifest(place, tag, manifest);
      },
      granted: always(201),
    }),
    write('that moves a tag', {
      needs: 'push',
      gateNeeds: 'create',
      prepare: async (place) => {
        const { tag } = await withTag(place);
        return putManifest(place, tag, indexOf(`moved ${tag}`));
      },
      granted: always(201),
    }),
    write('by digest, with a new tag and one that is moved', {
      needs: 'push',
      gateNeeds: 'create',
      prepare: async (place) => {
        const { tag } = await withTag(place);
        const moved = indexOf(`moved ${tag}`);
        return putManifest(place, `${digestOf(moved)}?tag=${unique('new')}&tag=${tag}`, moved);
      },
      granted: always(201),
    }),
  ],
  'manifest-delete': [
    deleting('of a tag', async (place) => ({
      method: 'DELETE',
      target: `/v2/${place.repo}/manifests/${(await withTag(place)).tag}`,
    })),
    deleting('by digest, with its tags', async (place) => ({
      method: 'DELETE',
      target: `/v2/${place.repo}/manifests/${(await withTag(place)).digest}`,
    })),
  ],
  'upload-start': [
    write('of an upload', {
      prepare: async ({ repo }) => ({ method: 'POST', target: `/v2/${repo}/blobs/uploads/` }),
      granted: always(202),
    }),
  ],
  'upload-monolithic': [
    write('of a whole blob', { prepare: async (place) => postBlob(place, randomBlob(64).bytes), granted: always(201) }),
  ],
  'blob-mount': [
    mounting('from where callers may pull', SOURCE, always(201)),
    // Without the right to pull from the source, the response is as if the source did not have the blob.
    mounting('from where only the administrator may pull', FOREIGN_SOURCE, (_, { isAdmin }) => (isAdmin ? 201 : 202)),
  ],
  'upload-chunk': [ownUpload('PATCH', 202), foreignUpload('PATCH')],
  'upload-close': [ownUpload('PUT', 201), foreignUpload('PUT')],
  'upload-status': [ownUpload('GET', 204), foreignUpload('GET')],
  'upload-cancel': [ownUpload('DELETE', 204), foreignUpload('DELETE')],
  'tags-list': [read('of the tags', 'tags/list', ofPlace(200, 404))],
  referrers: [read('of the referrers', `referrers/${digestOf(MANIFEST)}`, always(200))],
  catalog: [
    {
      name: 'of the catalog',
      needs: 'catalog',
      scope: () => 'registry:catalog:*',
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/v2/_catalog?n=1' }),
      granted: always(200),
    },
  ],
  'api-document': [
    {
      name: 'of the OpenAPI document',
      needs: 'nothing',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/api/v1/openapi.json' }),
      granted: always(200),
    },
  ],
  'api-changes': [
    {
      name: 'of the changes',
      needs: 'identity',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/api/v1/changes?since=now' }),
      granted: always(200),
    },
  ],
  'api-tag-history': [readApi('of the history of a tag', `tags/${TAG}/history`, ofPlace(200, 404))],
  'api-repository': [
    readApi('of a repository', '', ofPlace(200, 404)),
    readApi('of a repository at a slot', '?at=1', ofPlace(200, 404)),
  ],
  'api-diff': [
    readApi('of a difference of slots', 'diff?from=1&to=2', ofPlace(200, 404)),
    readApi('of a difference of manifests', `diff?from=${TAG}&to=${digestOf(MANIFEST)}`, ofPlace(200, 404)),
  ],
  'api-search': [overview('search?q=team')],
  'api-repositories': [overview('repositories')],
  'api-totals': [overview('totals')],
  'api-storage': [overview('storage')],
  'api-retention-outlook': [overview('retention')],
  'api-tags': [readApi('of described tags', 'tags', ofPlace(200, 404))],
  'api-retention': [readApi('of what retention does', 'retention', ofPlace(200, 404))],
  'api-pins': [readApi('of pins', 'pins', ofPlace(200, 404))],
  'api-sharers': [readApi('of who shares a blob', `blobs/${BLOB_DIGEST}/sharers`, ofPlace(200, 404))],
  'api-manifest': [readApi('of what a manifest contains', `manifests/${TAG}`, ofPlace(200, 404))],
  'api-packages': [readApi('of the packages of a manifest', `manifests/${TAG}/packages`, ofPlace(200, 404))],
  'api-compare': [
    {
      ...readApi('of what differs between manifests', '', ofPlace(200, 404)),
      prepare: async ({ repo }) => ({
        method: 'GET',
        target: `/api/v1/compare?a=${repo}:${TAG}&b=${repo}@${digestOf(MANIFEST)}`,
      }),
    },
  ],
  'api-access': [administration('of accounts and rules', async () => ({ method: 'GET', target: '/api/v1/access' }))],
  'api-access-explain': [
    administration('of why somebody may pull', async () => ({
      method: 'GET',
      target: '/api/v1/access/explain?who=reader&repository=ours/app&action=pull',
    })),
  ],
  'api-robots': [administration('of the robots', async () => ({ method: 'GET', target: '/api/v1/robots' }))],
  'api-operations': [
    administration('of how the registry runs', async () => ({ method: 'GET', target: '/api/v1/operations' })),
  ],
  'api-order': [ordering('of accepting writes', '/api/v1/operations', () => ({ action: 'read-only', on: false }))],
  'api-robot-change': [
    ordering('of a new robot', '/api/v1/robots', () => ({ action: 'create', name: unique('matrix-') })),
  ],
  'api-replication': [readReplication('of what replicas need to know', '')],
  'api-replication-slots': [readReplication('of slots of repositories', '/slots?of=ours/app@0')],
  'api-replication-log': [
    readReplication('of the notes', '/logs/notes'),
    readReplication('of the robots', '/logs/robots'),
  ],
  'api-replication-repositories': [readReplication('of all repositories', '/repositories')],
  'api-replication-objects': [readReplication('of small objects', `/objects?of=${NO_OBJECT}`)],
  'api-replication-object': [readReplication('of an object', `/objects/${NO_OBJECT}`, 404)],
  'api-replication-collections': [readReplication('of collections', '/collections')],
  'api-replication-collection': [readReplication('of a collection', `/collections/${NO_OBJECT}`, 404)],
  'token-get': [
    {
      name: 'of a token',
      needs: 'nothing',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/token' }),
      // A token cannot be exchanged for another one.
      granted: (_, { authorization }) => (authorization?.startsWith('Bearer') === true ? 401 : 200),
    },
  ],
  'token-post': [
    {
      name: 'of a token',
      needs: 'nothing',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'POST', target: '/token', body: new URLSearchParams({ grant_type: 'unknown' }) }),
      granted: always(400),
    },
  ],
  // What each page needs is tested in test/ui/access.test.ts: people are refused by pages, not by challenges.
  page: [
    {
      name: 'of the first page',
      needs: 'nothing',
      scope: () => undefined,
      refusal: 'denied',
      prepare: async () => ({ method: 'GET', target: '/ui/' }),
      granted: always(200),
    },
  ],
};
