// Arbitrary values of the registry's types, for property tests.
import fc from 'fast-check';
import { accept, type Command, type Needs, refuse } from '../../src/journal/command.ts';
import type { JournalEvent } from '../../src/journal/events.ts';
import type { RepositoryFacts } from '../../src/journal/state.ts';
import { ALGORITHMS, type Algorithm, digestFromHex } from '../../src/oci/digest.ts';
import { RegistryError } from '../../src/oci/errors.ts';
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts';
import type { Digest, Incarnation, RepositoryName, Tag, UploadId } from '../../src/oci/names.ts';

/** Words of the API's paths, all of which are also valid in names and tags. */
export const PATH_WORDS = ['blobs', 'manifests', 'tags', 'uploads', 'list', 'referrers', 'v2'] as const;

const HEX = [...'0123456789abcdef'];
const HEX_LENGTH: Readonly<Record<Algorithm, number>> = { sha256: 64, sha512: 128 };

function hex(length: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...HEX), minLength: length, maxLength: length });
}

const component = fc.oneof(
  fc.constantFrom<string>(...PATH_WORDS),
  fc.stringMatching(/^[a-z0-9]{1,8}(?:(?:\.|_|__|-{1,3})[a-z0-9]{1,8}){0,2}$/),
);

export const repositoryNames: fc.Arbitrary<RepositoryName> = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join('/') as RepositoryName)
  .filter((name) => name.length <= 255);

export const tags: fc.Arbitrary<Tag> = fc
  .oneof(fc.constantFrom<string>(...PATH_WORDS), fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/))
  .map((text) => text as Tag);

export const algorithms: fc.Arbitrary<Algorithm> = fc.constantFrom(...ALGORITHMS);

export const digests: fc.Arbitrary<Digest> = algorithms.chain((algorithm) =>
  hex(HEX_LENGTH[algorithm]).map((text) => digestFromHex(algorithm, text)),
);

export const incarnations: fc.Arbitrary<Incarnation> = fc
  .stringMatching(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
  .map((text) => text as Incarnation);

export const uploadIds: fc.Arbitrary<UploadId> = fc.uuid().map((text) => text as UploadId);

/** Chunks of any size, including empty ones. */
export const chunkLists: fc.Arbitrary<Uint8Array[]> = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });

/** Few names, so that random events often concern the same ones. */
const few = {
  blobs: ['0', '1', '2', '3'].map((digit) => digestFromHex('sha256', digit.repeat(64))),
  manifests: [
    ...['a', 'b', 'c'].map((digit) => digestFromHex('sha256', digit.repeat(64))),
    digestFromHex('sha512', 'd'.repeat(128)),
  ],
  tags: ['latest', 'V1', 'v1', '1.0', '_x'].map((text) => text as Tag),
  incarnations: ['0', '1', '2', '3', '4', '5'].map((digit) => digit.repeat(26) as Incarnation),
};
export const FEW = few;

const blob = fc.constantFrom(...few.blobs);
const manifest = fc.constantFrom(...few.manifests);
const tag = fc.constantFrom(...few.tags);
const inc = fc.constantFrom(...few.incarnations);
const sizes = fc.nat({ max: 5000 });
/** Without duplicates, as `parseManifest` returns them. */
const refs = fc.uniqueArray(fc.oneof(blob, manifest), { maxLength: 3 });
const annotations = fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5, unit: 'grapheme' }), {
  maxKeys: 2,
  noNullPrototype: true,
});
/** Present in about half of the values; otherwise the property is absent, not undefined. */
const actor = fc.option(
  fc.string({ maxLength: 8 }).map((text) => ({ actor: text })),
  { nil: {} },
);

/** Parts of a manifest.put that may be missing. */
const optionalFacts = fc.record(
  { artifactType: fc.constantFrom('application/x.one', 'application/x.two'), subject: manifest, annotations },
  { requiredKeys: [], noNullPrototype: true },
);

/** Any event, even one that no registry would write: the fold must accept whatever the log contains. */
export const events: fc.Arbitrary<JournalEvent> = fc
  .tuple(
    fc.oneof(
      fc.record(
        { type: fc.constant('blob.linked' as const), digest: blob, size: sizes, inc },
        { noNullPrototype: true },
      ),
      fc.record({ type: fc.constant('blob.unlinked' as const), digest: blob, inc }, { noNullPrototype: true }),
      fc
        .tuple(
          fc.record(
            { type: fc.constant('manifest.put' as const), digest: manifest, size: sizes, inc, refs },
            { noNullPrototype: true },
          ),
          fc.constantFrom(OCI_MANIFEST, OCI_INDEX),
          optionalFacts,
        )
        .map(([required, mediaType, optional]) => ({ ...required, mediaType, ...optional })),
      fc.record({ type: fc.constant('manifest.deleted' as const), digest: manifest, inc }, { noNullPrototype: true }),
      fc.record({ type: fc.constant('tag.set' as const), tag, digest: manifest }, { noNullPrototype: true }),
      fc.record({ type: fc.constant('tag.deleted' as const), tag, prev: manifest }, { noNullPrototype: true }),
      fc.constant({ type: 'repo.deleted' as const }),
      fc.tuple(inc, fc.option(fc.nat({ max: 1000 }), { nil: undefined })).map(([epoch, second]) => ({
        type: 'gc.fence' as const,
        epoch,
        ...(second === undefined ? {} : { forget: new Date(EVENTS_BEGIN + second * 1000).toISOString() }),
      })),
    ),
    actor,
  )
  .map(([event, who]) => ({ ...event, ...who }));

/** The time at which generated logs begin; batch `n` is `n` seconds later. */
export const EVENTS_BEGIN = Date.UTC(2030, 0, 1);

/** The events of a log, slot by slot. */
export const eventBatches: fc.Arbitrary<JournalEvent[][]> = fc.array(fc.array(events, { minLength: 1, maxLength: 5 }), {
  maxLength: 25,
});

/** A change that a client or a job may request; its events depend on the repository's state. */
export type Operation =
  | { readonly kind: 'link'; readonly digest: Digest; readonly size: number }
  | { readonly kind: 'unlink'; readonly digest: Digest }
  | {
      readonly kind: 'put';
      /** If the manifest exists, the same bytes get a new record. */
      readonly again: boolean;
      readonly digest: Digest;
      readonly size: number;
      readonly refs: readonly Digest[];
      readonly tags: readonly Tag[];
      readonly optional: { artifactType?: string; subject?: Digest; annotations?: Record<string, string> };
    }
  | { readonly kind: 'delete'; readonly digest: Digest }
  | { readonly kind: 'tag'; readonly tag: Tag; readonly digest: Digest }
  | { readonly kind: 'untag'; readonly tag: Tag }
  | { readonly kind: 'delete repository' };

export const operations: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('link' as const), digest: blob, size: sizes }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('unlink' as const), digest: blob }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      again: fc.boolean(),
      digest: manifest,
      size: sizes,
      refs,
      tags: fc.uniqueArray(tag, { maxLength: 3 }),
      optional: optionalFacts,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), digest: manifest }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tag' as const), tag, digest: manifest }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('untag' as const), tag }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'delete repository' as const }) },
);

const REFUSED = new RegistryError('manifest-unknown', 'the request does not apply to this state');

/**
 * The command of a request. It refers only to existing things, so a registry may write the resulting logs.
 * @param decided called at each decision; the last call is the one that counts
 */
export function commandOf(
  operation: Operation,
  newIncarnation: () => Incarnation,
  decided: (events: readonly JournalEvent[]) => void = () => {},
): Command<undefined> {
  return {
    needs: needsOf(operation),
    decide: (facts) => {
      const wanted = eventsOf(operation, facts, newIncarnation);
      decided(wanted ?? []);
      return wanted === undefined ? refuse(REFUSED) : accept(undefined, ...wanted);
    },
  };
}

function needsOf(operation: Operation): Needs {
  switch (operation.kind) {
    case 'link':
    case 'delete repository':
      return {};
    case 'unlink':
      return { blobs: [operation.digest] };
    case 'put':
      return { manifests: [operation.digest] };
    case 'delete':
      return { manifests: [operation.digest], tagsOf: [operation.digest] };
    case 'tag':
      return { manifests: [operation.digest], tags: [operation.tag] };
    case 'untag':
      return { tags: [operation.tag] };
  }
}

/** undefined if the request is refused. */
function eventsOf(
  operation: Operation,
  facts: RepositoryFacts,
  newIncarnation: () => Incarnation,
): JournalEvent[] | undefined {
  switch (operation.kind) {
    case 'link':
      return [{ type: 'blob.linked', digest: operation.digest, size: operation.size, inc: newIncarnation() }];
    case 'unlink': {
      const link = facts.blob(operation.digest);
      return link && [{ type: 'blob.unlinked', digest: operation.digest, inc: link.inc }];
    }
    case 'put': {
      const { digest, size, optional } = operation;
      const existing = operation.again ? facts.manifest(digest)?.inc : undefined;
      const put = {
        digest,
        size,
        inc: existing ?? newIncarnation(),
        mediaType: OCI_MANIFEST,
        refs: [...operation.refs],
        ...optional,
      };
      return [
        { type: 'manifest.put', ...put },
        ...operation.tags.map((each): JournalEvent => ({ type: 'tag.set', tag: each, digest })),
      ];
    }
    case 'delete': {
      const record = facts.manifest(operation.digest);
      if (record === undefined) return undefined;
      const { digest } = operation;
      const untagged = facts
        .tagsOf(digest)
        .map((each): JournalEvent => ({ type: 'tag.deleted', tag: each, prev: digest }));
      return [...untagged, { type: 'manifest.deleted', digest, inc: record.inc }];
    }
    case 'tag':
      if (facts.manifest(operation.digest) === undefined) return undefined;
      return facts.tag(operation.tag) === operation.digest
        ? []
        : [{ type: 'tag.set', tag: operation.tag, digest: operation.digest }];
    case 'untag': {
      const prev = facts.tag(operation.tag);
      return prev && [{ type: 'tag.deleted', tag: operation.tag, prev }];
    }
    case 'delete repository':
      return facts.exists ? [{ type: 'repo.deleted' }] : undefined;
  }
}
