import { expect, test } from 'bun:test';
import fc from 'fast-check';
import { eventBatches } from '../../test/support/generators.ts';
import { foldOf, slotsOf } from '../../test/support/slots.ts';
import type { JournalEvent } from '../journal/events.ts';
import type { RepositoryState } from '../journal/fold.ts';
import { digestOf } from '../oci/digest.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName, Tag } from '../oci/names.ts';
import { planExport } from './export-plan.ts';

const REPO = 'team/app' as RepositoryName;
const OTHER = 'other/app' as RepositoryName;

function digest(name: string): Digest {
  return digestOf('sha256', new TextEncoder().encode(name));
}

function blob(name: string): JournalEvent {
  return { type: 'blob.linked', digest: digest(name), size: 1, inc: name as Incarnation };
}

function manifest(name: string, refs: readonly string[], more: Partial<JournalEvent> = {}): JournalEvent {
  const event: JournalEvent = {
    ...{ type: 'manifest.put', digest: digest(name), size: 2, inc: name as Incarnation },
    ...{ mediaType: OCI_MANIFEST, refs: refs.map(digest) },
  };
  return Object.assign(event, more);
}

function tagged(tag: string, name: string): JournalEvent {
  return { type: 'tag.set', tag: tag as Tag, digest: digest(name) };
}

function stateOf(...events: readonly JournalEvent[]): RepositoryState {
  return foldOf(slotsOf([[...events]]));
}

const image = stateOf(
  ...['config', 'layer', 'other', 'loose'].map(blob),
  manifest('image', ['config', 'layer']),
  manifest('unrelated', ['other']),
  manifest('signature', [], { subject: digest('image') }),
  manifest('of-signature', [], { subject: digest('signature') }),
  manifest('index', ['image', 'other-platform'], { mediaType: OCI_INDEX }),
  tagged('v1', 'image'),
  tagged('all', 'index'),
  tagged('apart', 'unrelated'),
);

function exported(reference: string | undefined, states = new Map([[REPO, image]])) {
  const wanted = reference === undefined ? undefined : ({ kind: 'tag', tag: reference as Tag } as const);
  const plan = planExport([{ repo: REPO, reference: wanted }], states);
  return { ...plan, names: plan.objects.map(({ inc }): string => inc).sort() };
}

test('an image comes with its blobs, its referrers and theirs, and with nothing else', () => {
  const { names, manifests, absent } = exported('v1');
  expect(names).toEqual(['config', 'image', 'layer', 'of-signature', 'signature']);
  expect(manifests.map(({ digest: each, tag }) => [each, tag])).toEqual([
    [digest('image'), 'v1'],
    ...[digest('signature'), digest('of-signature')].sort().map((each) => [each, undefined]),
  ]);
  expect(absent).toEqual([]);
});

test('an index comes with its images, and what the registry does not have is named', () => {
  const { names, manifests, absent } = exported('all');
  expect(names).toEqual(['config', 'image', 'index', 'layer', 'of-signature', 'signature']);
  // The image is found below the index.
  expect(manifests.map(({ digest: each }) => each)).not.toContain(digest('image'));
  expect(absent).toEqual([`${REPO} ${digest('other-platform')}`]);
});

test('a referrer comes with its subject', () => {
  const reference = { kind: 'digest', digest: digest('of-signature') } as const;
  const { objects } = planExport([{ repo: REPO, reference }], new Map([[REPO, image]]));
  expect(objects.map(({ inc }): string => inc).sort()).toEqual(exported('v1').names);
});

test('content of two repositories is written once, but named in each', () => {
  const second = stateOf(blob('layer'), manifest('image', ['layer']), tagged('v1', 'image'));
  const states = new Map([
    [REPO, image],
    [OTHER, second],
  ]);
  const all = [REPO, OTHER].map((repo) => ({ repo, reference: undefined }));
  const { manifests, objects } = planExport(all, states);
  expect(objects.filter(({ digest: each }) => each === digest('image'))).toHaveLength(1);
  expect(manifests.filter(({ tag }) => tag === 'v1').map(({ repository }) => repository)).toEqual([OTHER, REPO]);
  // The signature is only in one of them.
  expect(manifests.filter(({ digest: each }) => each === digest('signature'))).toMatchObject([{ repository: REPO }]);
});

test('what does not exist is refused by name', () => {
  expect(() => exported('never')).toThrow(`${REPO} has no tag never`);
  expect(() => exported(undefined, new Map([[REPO, stateOf(blob('loose'))]]))).toThrow(`${REPO} has no tags`);
  expect(() => exported(undefined, new Map())).toThrow(`there is no repository ${REPO}`);
});

test('whatever a repository has, an export of its tags holds all that belongs to them, and a reader finds it', () => {
  fc.assert(
    fc.property(eventBatches, (batches) => {
      const state = foldOf(slotsOf(batches));
      fc.pre(state.exists && state.tags.size > 0);
      const { manifests, objects } = exported(undefined, new Map([[REPO, state]]));
      const written = new Set(objects.map((each) => each.digest));
      expect(written.size).toBe(objects.length);
      for (const [tag, target] of state.tags) {
        expect(manifests.filter((each) => each.tag === tag).map((each) => each.digest)).toEqual(
          state.manifest(target) === undefined ? [] : [target],
        );
      }
      // What a reader reaches from index.json over references is all that was written.
      const found = new Set<Digest>();
      const rest = manifests.map((each) => each.digest);
      for (let next = rest.pop(); next !== undefined; next = rest.pop()) {
        if (found.has(next) || !written.has(next)) continue;
        found.add(next);
        rest.push(...(state.manifest(next)?.refs ?? []));
      }
      expect([...found].sort()).toEqual([...written].sort());
      for (const each of written) {
        for (const referrer of state.referrers.get(each) ?? []) expect(written.has(referrer)).toBeTrue();
      }
    }),
  );
});
