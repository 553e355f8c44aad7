// Documents that strangers push: any JSON in place of every document, and the right fields with the wrong types.
import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { chartOf } from './chart.ts';
import { flatFactsOf } from './flat-facts.ts';
import { configOf, historyOf, layersOf, partsOf, totalOf } from './image.ts';
import { sbomOf } from './sbom.ts';
import { bundledSignature, cosignSignature, notationSignature } from './signature.ts';
import { envelopedStatement, statementOf } from './statement.ts';
import { MAX_TEXT } from './untrusted.ts';

const NAMES = [
  ...['config', 'layers', 'manifests', 'subject', 'annotations', 'digest', 'mediaType', 'size', 'platform', 'os'],
  ...['architecture', 'history', 'created', 'created_by', 'empty_layer', 'Env', 'Cmd', 'Entrypoint', 'Labels', 'User'],
  ...['spdxVersion', 'packages', 'name', 'versionInfo', 'externalRefs', 'referenceType', 'creationInfo', 'creators'],
  ...['@graph', 'type', 'spdxId', 'relationshipType', 'from', 'to', 'bomFormat', 'components', 'metadata', 'tools'],
  ...['licenses', 'license', 'version', 'purl', '_type', 'predicateType', 'predicate', 'payload', 'signatures'],
  ...['verificationMaterial', 'certificate', 'rawBytes', 'tlogEntries', 'logIndex', 'integratedTime', 'dsseEnvelope'],
  ...['critical', 'optional', 'identity', 'image', 'header', 'x5c', 'maintainers', 'dependencies', 'keywords'],
  ...['__proto__', 'constructor', 'toString'],
];
const { value: documents } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.constantFrom(
      null,
      true,
      -1,
      1e300,
      '',
      'CycloneDX',
      'software_Package',
      'eyJhIjoxfQ==',
      '2026-11-29',
      'x'.repeat(5_000),
    ),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...NAMES), tie('value'), { maxKeys: 6 }),
  ),
}));

const DIGEST = 'sha256:0';
const part = { digest: DIGEST, mediaType: '', size: 0, annotations: {}, platform: undefined, artifactType: undefined };

/** Every text is cut, every number is one that a schema accepts. */
function expectBounded(value: unknown): void {
  if (typeof value === 'string') expect(value.length).toBeLessThanOrEqual(MAX_TEXT + 1);
  else if (typeof value === 'number') expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
  else if (typeof value === 'object' && value !== null) for (const each of Object.values(value)) expectBounded(each);
}

test('any JSON in the place of a document is read without an error, and what is read is bounded', () => {
  fc.assert(
    fc.property(documents, (json) => {
      const parts = partsOf(json);
      const history = historyOf(parts.layers, json);
      const read = [
        parts,
        totalOf(parts),
        history,
        layersOf(parts.layers, history),
        configOf(part, json),
        chartOf(json),
        flatFactsOf(json),
      ];
      const signed = [bundledSignature(json), notationSignature(json), cosignSignature(json, parts.annotations)];
      const told = [sbomOf(json, false), statementOf(json, false, false), envelopedStatement(json)];
      expectBounded([...read, ...signed, ...told]);
    }),
    { numRuns: 2_000 },
  );
});

test('lists of a million elements are read in part', () => {
  const components = Array.from({ length: 1_000_000 }, () => ({ type: 'library', name: 'a' }));
  const sbom = sbomOf({ bomFormat: 'CycloneDX', components }, false);
  expect([sbom?.count, sbom?.isCut]).toEqual([20_000, true]);
  const layers = Array.from({ length: 100_000 }, () => ({ digest: DIGEST, mediaType: 'x', size: 1 }));
  expect(partsOf({ layers })).toMatchObject({ left: 99_000 });
  const nested = { components: [] as unknown[], name: 'deep', type: 'library' };
  let innermost = nested;
  for (let depth = 0; depth < 100_000; depth++) {
    const next = { components: [] as unknown[], name: 'deep', type: 'library' };
    innermost.components.push(next);
    innermost = next;
  }
  expect(sbomOf({ bomFormat: 'CycloneDX', components: [nested] }, false)?.count).toBe(20_000);
});
