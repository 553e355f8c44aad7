import { z } from 'zod';
import { endpoint } from './endpoint.ts';
import * as field from './fields.ts';

const PAGE = 100;
const MAX_PAGE = 1_000;

const optionalText = z.string().optional();
const texts = z.array(z.string());
const named = z.record(z.string(), z.string());
const kind = field.contentKind;

const packageItem = z.strictObject({
  name: z.string(),
  version: optionalText,
  purl: optionalText.describe('Package URL.'),
  license: optionalText,
});

const documents = z.strictObject({
  signatures: z
    .array(
      z.strictObject({
        format: z.enum(['cosign', 'sigstore-bundle', 'notation']),
        identity: optionalText.describe('Who signed, as the certificate claims.'),
        issuer: optionalText.describe('Who vouched for that identity, as the certificate claims.'),
        certificate: z
          .strictObject({
            subject: optionalText,
            issuer: z.string(),
            validFrom: field.time,
            validTo: field.time,
            fingerprint: z.string(),
          })
          .optional(),
        key: optionalText.describe('Which key signed, as the signature claims, if there is no certificate.'),
        signedAt: field.time.optional().describe('As the entry in the transparency log claims.'),
        logIndex: field.wholeNumber.optional(),
        signedDigest: optionalText,
        signedReference: optionalText,
        claims: named,
      }),
    )
    .describe('As they were found: nothing is verified.'),
  sboms: z.array(
    z.strictObject({
      format: z.enum(['SPDX', 'CycloneDX']),
      version: optionalText,
      name: optionalText,
      created: field.time.optional(),
      tools: texts,
      packages: z.array(packageItem).describe('The first 1,000.'),
      count: field.wholeNumber.describe('Packages that were read, at most 20,000.'),
      isCut: z.boolean().describe('Whether it has packages that were not read.'),
    }),
  ),
  attestations: z.array(
    z.strictObject({
      predicateType: z.string(),
      subjects: z.array(z.strictObject({ name: optionalText, digest: optionalText })),
      builder: optionalText,
      buildType: optionalText,
      isSigned: z.boolean().describe('Whether it is in a signed envelope. The signature is not verified.'),
    }),
  ),
});

const inManifest = z.strictObject({ repo: field.repo, reference: field.reference });

export const manifest = endpoint({
  kind: 'api-manifest',
  path: '/api/v1/repositories/{repo}/manifests/{reference}',
  summary: 'What a manifest contains and what is attached to it, parsed',
  description:
    'Layers with the commands that made them, the config, platforms, Helm charts, READMEs, signatures, attestations and bills of materials. Everything is shown as it was pushed: no signature is verified. Long texts are cut; of blobs only the first 4 MiB are read. With a repository of the past, such as at/2026-11-28/app, as it was.',
  params: inManifest,
  query: z.strictObject({}),
  answer: z.strictObject({
    repository: z.string(),
    digest: field.digest,
    mediaType: z.string(),
    size: field.bytes,
    artifactType: optionalText,
    kind,
    total: field.bytes.describe('Bytes of the manifest and of everything that it names.'),
    annotations: named,
    subject: optionalText,
    platforms: z
      .array(
        z.strictObject({
          digest: field.digest,
          mediaType: z.string(),
          platform: optionalText,
          total: field.bytes.optional().describe('Absent if the manifest is not stored here.'),
          annotations: named,
        }),
      )
      .describe('Of an index.'),
    layers: z.array(
      z.strictObject({
        digest: field.digest,
        mediaType: z.string(),
        size: field.bytes,
        annotations: named,
        command: optionalText.describe('What made it, by the history in the config.'),
      }),
    ),
    history: z.array(
      z.strictObject({
        command: optionalText,
        comment: optionalText,
        created: field.time.optional(),
        layer: optionalText.describe('The layer that the step made, if it made one.'),
      }),
    ),
    config: z
      .strictObject({
        digest: field.digest,
        mediaType: z.string(),
        size: field.bytes,
        platform: optionalText,
        created: field.time.optional(),
        author: optionalText,
        user: optionalText,
        workingDir: optionalText,
        entrypoint: texts,
        cmd: texts,
        env: texts,
        ports: texts,
        volumes: texts,
        labels: named,
        stopSignal: optionalText,
      })
      .optional(),
    chart: z
      .strictObject({
        name: optionalText,
        version: optionalText,
        appVersion: optionalText,
        description: optionalText,
        home: optionalText,
        icon: optionalText,
        type: optionalText,
        kubeVersion: optionalText,
        deprecated: z.boolean(),
        keywords: texts,
        sources: texts,
        maintainers: z.array(z.strictObject({ name: z.string(), email: optionalText, url: optionalText })),
        dependencies: z.array(z.strictObject({ name: z.string(), version: optionalText, repository: optionalText })),
        values: z
          .strictObject({ text: z.string(), isCut: z.boolean() })
          .optional()
          .describe('Its values.yaml, at most 64 KiB.'),
      })
      .optional(),
    facts: named.describe('What the config of an AI model or of WebAssembly says, by paths such as config.format.'),
    description: optionalText,
    readme: z
      .strictObject({
        text: z.string().describe('Markdown.'),
        from: z.enum(['annotation', 'label', 'referrer']),
        isCut: z.boolean(),
      })
      .optional(),
    documents: documents.describe(
      'What it contains itself, if it is a signature, an attestation or a bill of materials.',
    ),
    attached: z
      .array(
        z.strictObject({
          digest: field.digest,
          subject: field.digest.describe('What it is attached to: this manifest, or another entry of the list.'),
          via: z.enum(['subject', 'tag', 'index']),
          tag: optionalText.describe('The tag that attaches it, such as sha256-….sig.'),
          kind,
          mediaType: z.string(),
          artifactType: optionalText,
          total: field.bytes,
          annotations: named,
          documents,
          omitted: texts,
        }),
      )
      .describe('Each after its subject; at most 200.'),
    badges: z.strictObject({ signed: z.boolean(), sbom: z.boolean(), attested: z.boolean() }),
    omitted: texts.describe('What is not shown, or only in part, and why.'),
  }),
  errors: [404],
});

export const packages = endpoint({
  kind: 'api-packages',
  path: '/api/v1/repositories/{repo}/manifests/{reference}/packages',
  summary: 'The packages in the bills of materials of a manifest',
  description:
    'Each once, ordered by name and version, from all bills of materials that are attached to it or that it is.',
  params: inManifest,
  query: z.strictObject({
    q: field.search.optional().describe('Only packages whose name has this text, in any case.'),
    after: field.offset,
    n: field.count(PAGE, MAX_PAGE),
  }),
  answer: z.strictObject({
    packages: z.array(packageItem),
    count: field.wholeNumber.describe('Of all packages that match.'),
    sboms: field.wholeNumber.describe('Bills of materials that were read.'),
    isCut: z.boolean().describe('Whether there are packages that were not read.'),
    next: field.wholeNumber.optional().describe('`after` of the next page; absent on the last one.'),
  }),
  errors: [404],
});

const part = z.strictObject({
  change: z.enum(['same', 'added', 'gone']),
  digest: field.digest,
  mediaType: z.string(),
  size: field.bytes,
  platform: optionalText,
});
const side = z.strictObject({
  repository: z
    .string()
    .describe('By which it can be pulled: a name of the past if the repository does not have it now.'),
  digest: field.digest,
  mediaType: z.string(),
  kind,
  total: field.bytes,
  index: field.digest.optional().describe('The index of which the platform was chosen.'),
});

export const comparison = endpoint({
  kind: 'api-compare',
  path: '/api/v1/compare',
  summary: 'What differs between two manifests, which may be in different repositories',
  description:
    'Layers, fields of the manifests and their configs, sizes, and the packages if both have bills of materials. The caller must be allowed to pull from both repositories. A manifest that is deleted is read from the past, while its bytes exist.',
  params: z.strictObject({}),
  query: z.strictObject({
    a: field.manifestAddress,
    b: field.manifestAddress,
    platform: field.search.optional().describe('Of an index the image for this platform, such as linux/arm64/v8.'),
  }),
  answer: z.strictObject({
    from: side,
    to: side,
    layers: z
      .array(part.extend({ command: optionalText.describe('What made it, by the history in the config.') }))
      .describe('In the order of `b`; those that are gone stand where they were.'),
    manifests: z.array(part).describe('Of indexes.'),
    platforms: z
      .array(
        z.strictObject({
          change: z.enum(['same', 'changed', 'added', 'gone']),
          platform: optionalText,
          from: optionalText.describe('Digest.'),
          to: optionalText.describe('Digest.'),
        }),
      )
      .describe('The images of indexes by platform, without attestations.'),
    fields: z.array(z.strictObject({ field: z.string(), from: optionalText, to: optionalText })),
    bytes: z.strictObject({ same: field.wholeNumber, added: field.wholeNumber, gone: field.wholeNumber }),
    packages: z
      .strictObject({
        items: z.array(
          z.strictObject({
            change: z.enum(['added', 'gone', 'changed']),
            name: z.string(),
            from: optionalText.describe('Version.'),
            to: optionalText.describe('Version.'),
          }),
        ),
        count: field.wholeNumber.describe('Of all changes; at most 1,000 are listed.'),
        same: field.wholeNumber,
      })
      .optional()
      .describe('Absent unless both have a bill of materials.'),
  }),
  errors: [404],
});
