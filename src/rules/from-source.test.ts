import { expect, test } from 'bun:test';
import { CALLER, openRegistry, refusalOf } from '../../test/support/registry.ts';
import { digestOf } from '../oci/digest.ts';
import { RegistryError } from '../oci/errors.ts';
import { parseRepositoryName, parseTag } from '../oci/names.ts';
import { FromSource, type SourceContent } from './from-source.ts';

const bytes = new TextEncoder().encode('content of the source');
const digest = digestOf('sha256', bytes);
const tag = parseTag('v1') ?? expect.unreachable();
const descriptor = { mediaType: 'application/json', digest, size: bytes.length };

function name(text: string) {
  return parseRepositoryName(text) ?? expect.unreachable();
}

/** A source that has everything. */
function ruled(isComplete: boolean) {
  const asked: string[] = [];
  const source: SourceContent = {
    blob: async (repo) => {
      asked.push(repo);
      return { size: bytes.length, content: { kind: 'bytes', bytes } };
    },
    blobSize: async (repo) => {
      asked.push(repo);
      return bytes.length;
    },
    manifest: async (repo) => {
      asked.push(repo);
      return { bytes, descriptor };
    },
    unasked: async () => {
      if (!isComplete) throw new RegistryError('unavailable', 'not yet');
      return undefined;
    },
  };
  const registry = new FromSource(openRegistry().registry, source, () => true);
  const refusals = async (text: string): Promise<string[]> => {
    const repo = name(text);
    const reads = [
      () => registry.getBlob(repo, digest, CALLER),
      () => registry.resolveBlob(repo, digest, CALLER),
      () => registry.getManifest(repo, { kind: 'tag', tag }, CALLER),
      () => registry.resolveManifest(repo, { kind: 'digest', digest }, CALLER),
    ];
    return await Promise.all(reads.map((read) => refusalOf((async () => await read())())));
  };
  return { asked, refusals };
}

test('the source is asked for what is not here', async () => {
  const { asked, refusals } = ruled(true);
  for (const repo of ['team/app', 'builds/20261128', 'builds/2026/app', 'team/app/20261128/x'])
    expect(await refusals(repo)).toEqual(['none', 'none', 'none', 'none']);
  expect(asked).toHaveLength(16);
});

test('the source is not asked for names under which it may show the past', async () => {
  for (const repo of ['at/20261128t101500z/team/secret', 'past/20261128/team/secret']) {
    const { asked, refusals } = ruled(true);
    for (const refusal of await refusals(repo)) expect(refusal).toEndWith('-unknown');
    expect(asked).toEqual([]);
    expect(new Set(await ruled(false).refusals(repo))).toEqual(new Set(['unavailable']));
  }
});
