import { describe, expect, test } from 'bun:test';
import fc from 'fast-check';
import { digests } from '../../test/support/generators.ts';
import { digestFromHex } from './digest.ts';
import { RegistryError } from './errors.ts';
import { MANIFEST_LIMITS, MAX_KEPT_BYTES, type ManifestFacts, parseManifest, readStoredManifest } from './manifest.ts';
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_ARTIFACT, OCI_INDEX, OCI_MANIFEST } from './media-types.ts';
import type { Digest } from './names.ts';

const digestOf = (digit: string): Digest => digestFromHex('sha256', digit.repeat(64));
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar+gzip';

function descriptor(digit: string, mediaType = LAYER, more: object = {}) {
  return { mediaType, digest: digestOf(digit), size: 1, ...more };
}

const image = { schemaVersion: 2, config: descriptor('c', CONFIG), layers: [descriptor('1'), descriptor('2')] };
const index = { schemaVersion: 2, manifests: [descriptor('a', OCI_MANIFEST), descriptor('b', OCI_MANIFEST)] };

function parse(manifest: unknown, contentType?: string): ManifestFacts {
  return parseManifest(new TextEncoder().encode(JSON.stringify(manifest)), contentType);
}

function problemOf(manifest: unknown, contentType?: string): string {
  try {
    parse(manifest, contentType);
    return 'none';
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    expect(error.kind).toBe('manifest-invalid');
    return error.message;
  }
}

describe('image manifests', () => {
  test.each([OCI_MANIFEST, DOCKER_MANIFEST])(
    'of %s refer to config and layers, which must all be there',
    (mediaType) => {
      const refs = ['c', '1', '2'].map(digestOf);
      expect(parse(image, mediaType)).toEqual({
        mediaType,
        artifactType: CONFIG,
        refs,
        requiredBlobs: refs,
      });
    },
  );

  test('name each digest once', () => {
    const same = { ...image, layers: [descriptor('1'), descriptor('1'), descriptor('c')] };
    expect(parse(same, OCI_MANIFEST).refs).toEqual(['c', '1'].map(digestOf));
  });

  test('do not need layers that come from elsewhere', () => {
    const foreign = [
      descriptor('1', 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip'),
      descriptor('2', 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'),
      descriptor('3', LAYER, { urls: ['https://elsewhere.example/layer'] }),
      descriptor('4', LAYER, { urls: [] }),
    ];
    const facts = parse({ ...image, layers: foreign }, OCI_MANIFEST);
    expect(facts.refs).toEqual(['c', '1', '2', '3', '4'].map(digestOf));
    expect(facts.requiredBlobs).toEqual(['c', '4'].map(digestOf));
  });

  test('have the config as artifact type unless they say another', () => {
    expect(parse({ ...image, artifactType: '' }, OCI_MANIFEST).artifactType).toBe(CONFIG);
    expect(parse({ ...image, artifactType: 'a/b' }, OCI_MANIFEST).artifactType).toBe('a/b');
  });

  test('with a subject keep their annotations for the referrers, others do not', () => {
    const annotations = { key: 'value', '': '' };
    const subject = descriptor('5', OCI_MANIFEST);
    const facts = parse({ ...image, subject, annotations }, OCI_MANIFEST);
    expect([facts.subject, facts.annotations]).toEqual([digestOf('5'), annotations]);
    expect(facts.refs).not.toContain(digestOf('5'));
    expect(parse({ ...image, annotations }, OCI_MANIFEST)).not.toHaveProperty('annotations');
  });

  test.each<[string, object]>([
    ['schemaVersion', { ...image, schemaVersion: 1 }],
    ['schemaVersion', { ...image, schemaVersion: '2' }],
    ['config', { ...image, config: undefined }],
    ['config.digest', { ...image, config: { mediaType: CONFIG, size: 1 } }],
    ['config.digest: is not a sha256 or sha512 digest', { ...image, config: { ...image.config, digest: 'md5:00' } }],
    ['config.size', { ...image, config: { ...image.config, size: -1 } }],
    ['config.size', { ...image, config: { ...image.config, size: 1.5 } }],
    ['config.size', { ...image, config: { ...image.config, size: 2 ** 53 } }],
    ['config.mediaType', { ...image, config: { ...image.config, mediaType: 1 } }],
    ['layers', { ...image, layers: undefined }],
    ['layers', { ...image, layers: null }],
    ['layers', { ...image, layers: {} }],
    ['layers.1.digest', { ...image, layers: [descriptor('1'), descriptor('x')] }],
    ['layers.0', { ...image, layers: ['text'] }],
    ['subject.digest', { ...image, subject: { ...image.config, digest: '' } }],
    ['annotations.key', { ...image, annotations: { key: 1 } }],
    ['artifactType', { ...image, artifactType: 1 }],
  ])('with a wrong %s are refused by that name', (field, manifest) => {
    expect(problemOf(manifest, OCI_MANIFEST)).toContain(field);
  });
});

describe('indexes', () => {
  test.each([OCI_INDEX, DOCKER_LIST])('of %s may refer to manifests that are not there', (mediaType) => {
    expect(parse(index, mediaType)).toEqual({
      mediaType,
      refs: ['a', 'b'].map(digestOf),
      requiredBlobs: [],
    });
  });

  test('have an artifact type only where they say one', () => {
    expect(parse(index, OCI_INDEX)).not.toHaveProperty('artifactType');
    expect(parse({ ...index, artifactType: '' }, OCI_INDEX)).not.toHaveProperty('artifactType');
    expect(parse({ ...index, artifactType: 'a/b' }, OCI_INDEX).artifactType).toBe('a/b');
  });

  test.each<[string, object]>([
    ['manifests', { schemaVersion: 2 }],
    ['manifests.0.digest', { schemaVersion: 2, manifests: [{ ...descriptor('a'), digest: 1 }] }],
    ['schemaVersion', { manifests: [] }],
  ])('with a wrong %s are refused by that name', (field, manifest) => {
    expect(problemOf(manifest, OCI_INDEX)).toContain(field);
  });
});

describe('other manifests', () => {
  test('of artifacts refer to their blobs, if any', () => {
    const facts = parse({ mediaType: OCI_ARTIFACT, artifactType: 'a/b', blobs: [descriptor('1')] }, undefined);
    expect(facts).toEqual({
      mediaType: OCI_ARTIFACT,
      artifactType: 'a/b',
      refs: [digestOf('1')],
      requiredBlobs: [digestOf('1')],
    });
    expect(parse({ artifactType: 'a/b' }, OCI_ARTIFACT).refs).toEqual([]);
  });

  test('of unknown types are kept as they are; what looks like a subject is believed', () => {
    const subject = descriptor('5', OCI_MANIFEST);
    const facts = parse(
      { anything: [1], subject, annotations: { a: 'b' }, artifactType: 'a/b' },
      'application/x.y+json',
    );
    expect(facts).toEqual({
      mediaType: 'application/x.y+json',
      artifactType: 'a/b',
      subject: digestOf('5'),
      annotations: { a: 'b' },
      refs: [],
      requiredBlobs: [],
    });
    const odd = { subject: 'text', annotations: 1, artifactType: [], config: 1, layers: 1 };
    expect(parse(odd, 'application/x.y+json')).toEqual({
      mediaType: 'application/x.y+json',
      refs: [],
      requiredBlobs: [],
    });
  });
});

describe('the media type', () => {
  test('is the one of the request, of the manifest, or what its fields show', () => {
    expect(parse(image, OCI_MANIFEST).mediaType).toBe(OCI_MANIFEST);
    expect(parse({ ...image, mediaType: DOCKER_MANIFEST }).mediaType).toBe(DOCKER_MANIFEST);
    expect(parse(image).mediaType).toBe(OCI_MANIFEST);
    expect(parse(index).mediaType).toBe(OCI_INDEX);
  });

  test('must be the same in request and manifest', () => {
    expect(problemOf({ ...image, mediaType: DOCKER_MANIFEST }, OCI_MANIFEST)).toContain('but the manifest says');
  });

  test('must be there, and be one', () => {
    expect(problemOf({})).toContain('send its media type');
    expect(problemOf({ mediaType: '' })).toContain('send its media type');
    expect(problemOf({ mediaType: 'text' })).toContain('send its media type');
    expect(problemOf({ mediaType: 1 })).toContain('mediaType: is not a string');
    expect(problemOf(image, 'a/b\r\nX: y')).toContain('send its media type');
  });
});

describe('two shapes in one body', () => {
  const both = { ...image, ...index };
  test.each([OCI_MANIFEST, OCI_INDEX, DOCKER_LIST, OCI_ARTIFACT, 'a/b', undefined])(
    'are refused as %s',
    (contentType) => {
      expect(problemOf(both, contentType)).toContain('it has manifests and config');
      expect(problemOf({ ...image, manifests: [] }, contentType)).toContain('it has manifests and config');
      expect(problemOf({ ...index, layers: null }, contentType)).toContain('it has manifests and layers');
      expect(problemOf({ ...index, fsLayers: [] }, contentType)).toContain('it has manifests and fsLayers');
    },
  );

  test('are refused in any case of the keys, which clients written in Go ignore', () => {
    for (const name of ['Manifests', 'MANIFESTS', 'manife\u017fts']) {
      expect(problemOf({ ...image, [name]: [] }, 'a/b')).toContain('it has manifests and config');
    }
    expect(problemOf({ ...index, Layers: [] }, 'a/b')).toContain('it has manifests and Layers');
    expect(problemOf({ ...index, fslayers: [] }, 'a/b')).toContain('it has manifests and fslayers');
  });

  test('stay readable where an older Marina stored them', () => {
    const bytes = new TextEncoder().encode(JSON.stringify(both));
    expect(readStoredManifest(bytes, OCI_INDEX).refs).toEqual(['a', 'b'].map(digestOf));
    expect(readStoredManifest(bytes, OCI_MANIFEST).refs).toEqual(['c', '1', '2'].map(digestOf));
  });
});

describe('a key that differs only in case from a field', () => {
  test.each<[string, object, string]>([
    ['Layers', { ...image, Layers: [descriptor('3')] }, OCI_MANIFEST],
    ['layer\u017f', { ...image, 'layer\u017f': [descriptor('3')] }, DOCKER_MANIFEST],
    ['CONFIG', { ...image, CONFIG: descriptor('3') }, OCI_MANIFEST],
    ['Subject', { ...image, Subject: descriptor('3') }, OCI_MANIFEST],
    ['mediatype', { ...image, mediatype: OCI_INDEX }, OCI_MANIFEST],
    ['MANIFESTS', { ...index, MANIFESTS: [descriptor('3')] }, OCI_INDEX],
    ['Blobs', { Blobs: [descriptor('3')] }, OCI_ARTIFACT],
    [
      'layers.1.Digest',
      { ...image, layers: [descriptor('1'), descriptor('2', LAYER, { Digest: digestOf('3') })] },
      OCI_MANIFEST,
    ],
    ['config.SIZE', { ...image, config: descriptor('1', CONFIG, { SIZE: 2 }) }, OCI_MANIFEST],
    ['subject.digeSt', { ...image, subject: descriptor('1', OCI_MANIFEST, { digeSt: digestOf('3') }) }, OCI_MANIFEST],
    ['manifests.0.URLs', { ...index, manifests: [descriptor('1', OCI_MANIFEST, { URLs: [] })] }, OCI_INDEX],
  ])('is refused by its name: %s', (key, manifest, mediaType) => {
    expect(problemOf(manifest, mediaType)).toContain(`${key}: differs only in case`);
  });

  test('is nothing special in annotations, or in a manifest of a type that the registry does not read', () => {
    const annotations = { Layers: 'x', layers: 'y' };
    expect(problemOf({ ...image, annotations, Author: 'x' }, OCI_MANIFEST)).toBe('none');
    expect(problemOf({ Layers: [], Config: {}, Subject: {} }, 'a/b')).toBe('none');
  });

  test('stays readable where an older Marina stored it', () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...image, Layers: [descriptor('3')] }));
    expect(readStoredManifest(bytes, OCI_MANIFEST).refs).toEqual(['c', '1', '2'].map(digestOf));
  });
});

describe('the limits', () => {
  const numbered = (count: number) =>
    Array.from({ length: count }, (_, each) => ({
      ...{ mediaType: LAYER, digest: digestFromHex('sha256', each.toString(16).padStart(64, '0')), size: each },
    }));
  const subject = descriptor('5', OCI_MANIFEST);
  const kept = (facts: ManifestFacts): number =>
    JSON.stringify({ ...facts, requiredBlobs: undefined, more: 'x'.repeat(4_000) }).length;

  test('take 1,000 layers with annotations, and 16 KiB of annotations in 500 entries, all of which are kept', () => {
    const layers = numbered(1_000).map((each) => ({
      ...each,
      annotations: Object.fromEntries(['a', 'b', 'c', 'd', 'e'].map((key) => [`org.example.${key}`, 'x'.repeat(60)])),
    }));
    const annotations = Object.fromEntries(
      Array.from({ length: 500 }, (_, each) => [`org.example.key${each}`, 'x'.repeat(16)]),
    );
    const facts = parse({ ...image, layers, subject, annotations }, OCI_MANIFEST);
    expect(facts.refs).toHaveLength(1_001);
    expect(facts.annotations).toEqual(annotations);
  });

  test('are far above an index of 2,000 platforms', () => {
    const platform = { os: 'linux', architecture: 'arm64', variant: 'v8', 'os.version': '1' };
    const manifests = numbered(2_000).map((each) => ({ ...each, platform, annotations: { a: 'b', c: 'd' } }));
    expect(parse({ ...index, manifests }, OCI_INDEX).refs).toHaveLength(2_000);
  });

  test('keep what the log gets of a manifest below 256 KiB, whatever it holds', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.nat(300_000).map((length) => 'x'.repeat(length)),
    );
    const anything = fc.record({
      refs: fc.nat(4_000),
      artifactType: texts,
      annotations: fc.dictionary(
        fc.string().filter((key) => key !== '__proto__'),
        texts,
        { maxKeys: 5 },
      ),
    });
    fc.assert(
      fc.property(anything, ({ refs, artifactType, annotations }) => {
        const body = { ...index, manifests: numbered(refs), artifactType, subject, annotations };
        const bytes = new TextEncoder().encode(JSON.stringify(body));
        const all = kept(readStoredManifest(bytes, OCI_INDEX));
        const problem = problemOf(body, OCI_INDEX);
        if (problem === 'none') expect(all).toBeLessThan(256 * 1024);
        else expect(all).toBeGreaterThan(MAX_KEPT_BYTES);
      }),
      { numRuns: 30 },
    );
  });

  test('are said where they are exceeded', () => {
    expect(problemOf({ ...index, manifests: numbered(3_300) }, OCI_INDEX)).toBe('none');
    expect(problemOf({ ...index, manifests: numbered(3_400) }, OCI_INDEX)).toContain('the limit is 245760');
    const annotations = { a: 'x'.repeat(300_000) };
    expect(problemOf({ ...index, annotations }, OCI_INDEX)).toBe('none');
    expect(problemOf({ ...index, annotations, subject }, OCI_INDEX)).toContain('the limit is 245760');
    expect(problemOf({ ...index, a: Array(MANIFEST_LIMITS.values).fill(0) }, OCI_INDEX)).toContain('32768 values');
    expect(problemOf({ ...index, a: '\n'.repeat(MANIFEST_LIMITS.escapes + 1) }, OCI_INDEX)).toContain('262144 escapes');
  });

  test('do not hold for what an older Marina stored', () => {
    const bytes = new TextEncoder().encode(JSON.stringify({ ...index, manifests: numbered(20_000) }));
    expect(readStoredManifest(bytes, OCI_INDEX).refs).toHaveLength(20_000);
  });
});

describe('whatever is sent', () => {
  const field = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    digests.map((digest) => ({ digest, size: 1, mediaType: LAYER })),
    fc.array(digests.map((digest) => ({ digest, size: 1, mediaType: LAYER }))),
  );
  const anything = fc.record(
    {
      schemaVersion: fc.oneof(fc.constant(2), field),
      mediaType: fc.oneof(fc.constantFrom(OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT), field),
      ...{ config: field, layers: field, manifests: field, blobs: field, subject: field, annotations: field },
      artifactType: field,
    },
    { requiredKeys: [] },
  );

  test('there are facts or a clear refusal, nothing else', () => {
    const types = fc.constantFrom(undefined, OCI_MANIFEST, OCI_INDEX, OCI_ARTIFACT, 'a/b', '');
    fc.assert(
      fc.property(fc.oneof(anything, fc.jsonValue()), types, (manifest, contentType) => {
        expect(problemOf(manifest, contentType)).toMatch(/^none$|^the manifest is invalid: [^\n]+$/);
      }),
    );
  });

  test('a refusal is short, however long the name of the field is', () => {
    expect(problemOf({ ...image, annotations: { ['k'.repeat(100_000)]: 1 } }, OCI_MANIFEST).length).toBeLessThan(400);
  });

  test.each(['', 'text', '[]', 'null', '1', '"a"', '{"a":1,"a":1}'])('%j is no manifest', (text) => {
    expect(() => parseManifest(new TextEncoder().encode(text), OCI_MANIFEST)).toThrow(RegistryError);
  });

  test('keys that mean something to JavaScript mean nothing here', () => {
    const text = `{"schemaVersion":2,"manifests":[],"constructor":1,"toJSON":1,"annotations":{"constructor":"a","toString":"b"}}`;
    const facts = parseManifest(new TextEncoder().encode(text), OCI_INDEX);
    expect(facts).not.toHaveProperty('subject');
    expect(Object.getPrototypeOf(facts)).toBe(Object.prototype);
  });
});
