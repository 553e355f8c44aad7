import { mediaTypes } from '../../support/oci.ts';
import { type Expected, MANIFEST_INVALID, type Row, refused } from '../row.ts';
import type { Site } from '../site.ts';
import { type Piece, request } from '../wire.ts';

const OCTETS = new TextEncoder();
const MAX = 4 * 1024 * 1024;
const ABSENT = `sha256:${'0123456789abcdef'.repeat(4)}`;
const TOO_LARGE = refused(413, 'MANIFEST_INVALID');
const BLOB_MISSING = refused(404, 'MANIFEST_BLOB_UNKNOWN');

type Fields = Readonly<Record<string, unknown>>;

function push(body: string | Uint8Array, type: string | undefined, { repo }: Site): Piece[] {
  const headers = type === undefined ? {} : { 'Content-Type': type };
  return request('PUT', `/v2/${repo}/manifests/hostile`, {
    headers,
    body: typeof body === 'string' ? OCTETS.encode(body) : body,
  });
}

/** Bytes that are not JSON, or JSON that a strict reader refuses. */
const BODIES: readonly (readonly [what: string, body: string | Uint8Array])[] = [
  ['nothing', ''],
  ['a word', 'manifest'],
  ['an array', '[]'],
  ['null', 'null'],
  ['true', 'true'],
  ['a number', '2'],
  ['a string', '"{}"'],
  ['NaN', 'NaN'],
  ['an open object', '{'],
  ['an open string', '{"schemaVersion":2,"mediaType":"'],
  ['a trailing comma', '{"schemaVersion":2,}'],
  ['a comment', '{"schemaVersion":2} // hello'],
  ['single quotes', "{'schemaVersion':2}"],
  ['a number in octal', '{"schemaVersion":02}'],
  ['two objects', '{}{}'],
  ['an object and a NUL', '{}\0'],
  ['a raw line break in a string', '{"a":"\n"}'],
  ['100,000 open brackets', '['.repeat(100_000)],
  ['100,000 nested arrays', '['.repeat(100_000) + ']'.repeat(100_000)],
  ['100,000 open objects', '{"a":'.repeat(100_000)],
  ['65 levels', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
  ['a key twice', '{"schemaVersion":2,"schemaVersion":2}'],
  ['a key twice, once escaped', '{"config":1,"\\u0063onfig":2}'],
  ['a key twice, deep inside', '{"a":[{"b":{"c":1,"c":1}}]}'],
  ['a byte order mark', '\ufeff{}'],
  ['UTF-16', new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00])],
  ['a byte that is not UTF-8', new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ['an overlong slash', new Uint8Array([0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d])],
  ['a lone surrogate in a value', '{"a":"\\ud800"}'],
  ['a lone surrogate in a key', '{"\\udc00":1}'],
  ['the key __proto__', '{"__proto__":{"schemaVersion":2}}'],
  ['the key __proto__ in an annotation', '{"annotations":{"__proto__":"x"}}'],
  ['the bytes of a gzip', new Uint8Array([0x1f, 0x8b, 0x08, 0x00])],
  ['XML with an entity', '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>'],
];

/** Fields of an image manifest that violate the spec. */
const FIELDS: readonly (readonly [what: string, change: (image: Fields, blob: Fields) => Fields])[] = [
  ['no schemaVersion', ({ schemaVersion: _, ...rest }) => rest],
  ['schemaVersion 1', (image) => ({ ...image, schemaVersion: 1 })],
  ['a schemaVersion that is a string', (image) => ({ ...image, schemaVersion: '2' })],
  ['another mediaType than the Content-Type', (image) => ({ ...image, mediaType: mediaTypes.index })],
  ['a mediaType that is a number', (image) => ({ ...image, mediaType: 1 })],
  ['a mediaType that is null', (image) => ({ ...image, mediaType: null })],
  ['a mediaType that is a list', (image) => ({ ...image, mediaType: [mediaTypes.manifest] })],
  ['no config', ({ config: _, ...rest }) => rest],
  ['a config that is null', (image) => ({ ...image, config: null })],
  ['a config that is only a digest', (image, blob) => ({ ...image, config: blob.digest })],
  ['a config that is a list', (image, blob) => ({ ...image, config: [blob] })],
  ['a config without a digest', (image) => ({ ...image, config: { mediaType: 'a/b', size: 1 } })],
  ['a config without a size', (image, { size: _, ...blob }) => ({ ...image, config: blob })],
  ['a config without a mediaType', (image, { mediaType: _, ...blob }) => ({ ...image, config: blob })],
  ['no layers', ({ layers: _, ...rest }) => rest],
  ['layers that are an object', (image, blob) => ({ ...image, layers: { 0: blob, length: 1 } })],
  ['layers that are a number', (image) => ({ ...image, layers: 1 })],
  ['a layer that is null', (image) => ({ ...image, layers: [null] })],
  ['a layer that is a number', (image) => ({ ...image, layers: [1] })],
  ['a list within the layers', (image, blob) => ({ ...image, layers: [[blob]] })],
  ['a digest that is a number', (image, blob) => ({ ...image, layers: [{ ...blob, digest: 1 }] })],
  ['a digest that is a path', (image, blob) => ({ ...image, layers: [{ ...blob, digest: '../../../etc/passwd' }] })],
  ['a digest in upper case', (image, blob) => ({ ...image, layers: [{ ...blob, digest: ABSENT.toUpperCase() }] })],
  ['a digest of another algorithm', (image, blob) => ({ ...image, layers: [{ ...blob, digest: 'md5:00' }] })],
  ['a negative size', (image, blob) => ({ ...image, layers: [{ ...blob, size: -1 }] })],
  ['a size with half a byte', (image, blob) => ({ ...image, layers: [{ ...blob, size: 1.5 }] })],
  ['a size that is a string', (image, blob) => ({ ...image, layers: [{ ...blob, size: '10' }] })],
  ['a size beyond 64 bits', (image, blob) => ({ ...image, layers: [{ ...blob, size: 1e300 }] })],
  ['urls that are a string', (image, blob) => ({ ...image, layers: [{ ...blob, urls: 'https://example.org' }] })],
  ['urls that are numbers', (image, blob) => ({ ...image, layers: [{ ...blob, urls: [1] }] })],
  ['a subject that is a string', (image) => ({ ...image, subject: ABSENT })],
  ['a subject that is null', (image) => ({ ...image, subject: null })],
  ['a subject without a digest', (image) => ({ ...image, subject: { mediaType: 'a/b', size: 1 } })],
  ['an artifactType that is a number', (image) => ({ ...image, artifactType: 1 })],
  ['annotations that are a list', (image) => ({ ...image, annotations: ['a'] })],
  ['annotations that are a string', (image) => ({ ...image, annotations: 'a' })],
  ['an annotation that is a number', (image) => ({ ...image, annotations: { a: 1 } })],
  ['an annotation that is an object', (image) => ({ ...image, annotations: { constructor: { prototype: 'x' } } })],
];

const INDEXES: readonly (readonly [what: string, index: Fields])[] = [
  ['no manifests', { schemaVersion: 2 }],
  ['manifests that are null', { schemaVersion: 2, manifests: null }],
  ['manifests that are an object', { schemaVersion: 2, manifests: {} }],
  ['a manifest that is a string', { schemaVersion: 2, manifests: ['a'] }],
  ['a manifest without a digest', { schemaVersion: 2, manifests: [{ mediaType: 'a/b', size: 1 }] }],
];

const TYPES: readonly (readonly [what: string, type: string | undefined])[] = [
  ['of two types', `${mediaTypes.manifest}, text/html`],
  ['without a subtype', 'application'],
  ['a wildcard', '*/*'],
  ['with three parts', 'application/x/y'],
  ['that is too long', `application/${'x'.repeat(4000)}`],
  ['of bytes beyond ASCII', 'application/\u00e9'],
  ['that differs from the mediaType of the manifest', 'text/html'],
];

/** Types under which the bytes of an image must not be pushed again. */
const OTHER_TYPES = ['text/html', mediaTypes.index, 'application/vnd.docker.distribution.manifest.v2+json'];

/** Bodies that are an image to one reader and an index to another. */
const TWO_SHAPES: readonly (readonly [what: string, change: (image: Fields, blob: Fields) => Fields])[] = [
  ['an image with an empty list of manifests', (image) => ({ ...image, manifests: [] })],
  ['an image with manifests', (image, blob) => ({ ...image, manifests: [blob] })],
  ['an index with layers', ({ config: _, ...image }, blob) => ({ ...image, manifests: [blob] })],
  ['an index with a config', ({ layers: _, ...image }) => ({ ...image, manifests: [] })],
  ["an index with layers of Docker's schema 1", () => ({ schemaVersion: 2, manifests: [], fsLayers: [] })],
];

function distinct(count: number, of: (number: number) => string): string {
  return Array.from({ length: count }, (_, number) => of(number)).join(',');
}

const digestNumber = (number: number): string => `sha256:${number.toString(16).padStart(64, '0')}`;
const descriptorNumber = (number: number): string => `{"mediaType":"a/b","digest":"${digestNumber(number)}","size":1}`;
const INDEX = '"schemaVersion":2,"manifests":[]';
const WITH_SUBJECT = `"schemaVersion":2,"subject":${descriptorNumber(1)}`;

/** Bodies within 4 MiB that would block the serving thread. */
const BOMBS: readonly (readonly [what: string, index: string])[] = [
  ['400,000 distinct keys', `{${INDEX},"a":{${distinct(400_000, (key) => `"${key.toString(36)}":0`)}}}`],
  ['300,000 objects with a key each', `{${INDEX},"a":[${distinct(300_000, (key) => `{"${key.toString(36)}":0}`)}]}`],
  ['a million empty objects', `{${INDEX},"a":[${'{},'.repeat(1_000_000)}{}]}`],
  ['two million numbers', `{${INDEX},"a":[${'0,'.repeat(2_000_000)}0]}`],
  ['two million escapes', `{${INDEX},"a":"${'\\"'.repeat(2_000_000)}"}`],
  ['36,000 descriptors', `{"schemaVersion":2,"manifests":[${distinct(36_000, descriptorNumber)}]}`],
];

/** Content that would be kept in the log forever, and in every view. */
const HOARDS: readonly (readonly [what: string, index: string])[] = [
  ['4,000 references', `{"schemaVersion":2,"manifests":[${distinct(4_000, descriptorNumber)}]}`],
  ['an annotation of 4 MB', `{${WITH_SUBJECT},"manifests":[],"annotations":{"a":"${'x'.repeat(4_000_000)}"}}`],
  [
    '20,000 annotations',
    `{${WITH_SUBJECT},"manifests":[],"annotations":{${distinct(20_000, (key) => `"${key}":"${'x'.repeat(20)}"`)}}}`,
  ],
  ['an artifactType of 4 MB', `{${INDEX},"artifactType":"a/${'x'.repeat(4_000_000)}"}`],
  [
    'references and annotations that exceed the limit together',
    `{${WITH_SUBJECT},"manifests":[${distinct(2_000, descriptorNumber)}],"annotations":{"a":"${'x'.repeat(150_000)}"}}`,
  ],
];

function large(bytes: number): string {
  return `{"a":"${'x'.repeat(bytes - 8)}"}`;
}

function row(name: string, pieces: (site: Site) => Piece[], expected: Expected = MANIFEST_INVALID): Row {
  return { name: `manifest: ${name}`, pieces, expected };
}

export const manifestRows: readonly Row[] = [
  ...BODIES.map(([what, body]) => row(what, (site) => push(body, mediaTypes.manifest, site))),
  ...FIELDS.map(([what, change]) =>
    row(what, (site) => {
      const changed = change({ ...site.image.manifest }, { ...site.blob.descriptor });
      return push(JSON.stringify(changed), mediaTypes.manifest, site);
    }),
  ),
  ...INDEXES.map(([what, index]) =>
    row(`index with ${what}`, (site) => push(JSON.stringify(index), mediaTypes.index, site)),
  ),
  ...TYPES.map(([what, type]) => row(`Content-Type ${what}`, (site) => push(site.image.bytes, type, site))),
  ...OTHER_TYPES.map((type) =>
    row(`that exists, again as ${type}`, ({ repo, untyped: { bytes, descriptor } }) =>
      request('PUT', `/v2/${repo}/manifests/${descriptor.digest}`, { headers: { 'Content-Type': type }, body: bytes }),
    ),
  ),
  ...[mediaTypes.manifest, mediaTypes.index, 'application/x.other+json'].flatMap((type) =>
    TWO_SHAPES.map(([what, change]) =>
      row(`${what}, as ${type}`, (site) => {
        const { mediaType: _, ...image } = site.image.manifest;
        return push(JSON.stringify(change(image, { ...site.blob.descriptor })), type, site);
      }),
    ),
  ),
  ...[...BOMBS, ...HOARDS].map(([what, index]) =>
    row(`index with ${what}`, (site) => push(index, mediaTypes.index, site)),
  ),
  row('of an unstated type', (site) => push('{"a":1}', undefined, site)),
  row('a number beyond the range of doubles', (site) => {
    const text = new TextDecoder().decode(site.image.bytes).replace('"size":10', '"size":1e400');
    return push(text, mediaTypes.manifest, site);
  }),
  row('one byte more than 4 MiB', (site) => push(large(MAX + 1), mediaTypes.manifest, site), TOO_LARGE),
  row(
    'announced as a terabyte',
    (site) =>
      request('PUT', `/v2/${site.repo}/manifests/hostile`, {
        headers: { 'Content-Length': '1099511627776' },
        body: '{',
      }),
    TOO_LARGE,
  ),
  row(
    'one byte more than 4 MiB, in chunks',
    (site) => {
      const body = large(MAX + 1);
      return request('PUT', `/v2/${site.repo}/manifests/hostile`, {
        headers: { 'Content-Type': mediaTypes.manifest, 'Transfer-Encoding': 'chunked' },
        body: `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
        length: false,
      });
    },
    TOO_LARGE,
  ),
  row('cut short by its Content-Length', (site) =>
    request('PUT', `/v2/${site.repo}/manifests/hostile`, {
      headers: { 'Content-Type': mediaTypes.manifest, 'Content-Length': '20' },
      body: site.image.bytes,
    }),
  ),
  row(
    'a config that does not exist',
    (site) => {
      const { descriptor } = site.blob;
      const changed = { ...site.image.manifest, config: { ...descriptor, digest: ABSENT } };
      return push(JSON.stringify(changed), mediaTypes.manifest, site);
    },
    BLOB_MISSING,
  ),
  row(
    'a layer that does not exist',
    (site) => {
      const changed = { ...site.image.manifest, layers: [{ ...site.blob.descriptor, digest: ABSENT }] };
      return push(JSON.stringify(changed), mediaTypes.manifest, site);
    },
    BLOB_MISSING,
  ),
  row(
    'a layer that only another repository has',
    (site) => {
      const changed = { ...site.image.manifest, layers: [site.otherBlob.descriptor] };
      return push(JSON.stringify(changed), mediaTypes.manifest, site);
    },
    BLOB_MISSING,
  ),
  row(
    '2,000 layers that do not exist',
    (site) => {
      const layers = Array.from({ length: 2_000 }, (_, i) => ({
        ...site.blob.descriptor,
        digest: digestNumber(i),
      }));
      return push(JSON.stringify({ ...site.image.manifest, layers }), mediaTypes.manifest, site);
    },
    BLOB_MISSING,
  ),
  row(
    'pushed into an empty repository',
    ({ image }) =>
      request('PUT', '/v2/no/such/manifests/hostile', {
        headers: { 'Content-Type': mediaTypes.manifest },
        body: image.bytes,
      }),
    BLOB_MISSING,
  ),
];
