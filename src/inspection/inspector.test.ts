import { beforeEach, describe, expect, test } from 'bun:test';
import { type Content, type Image, image, index, json, mediaTypes } from '../../test/support/oci.ts';
import { A, B, CALLER, type OpenRegistry, openRegistry, refusalOf, tag } from '../../test/support/registry.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { HistoryService } from '../past/history-service.ts';
import { PastNames } from '../past/past-names.ts';
import { PastStates } from '../past/past-states.ts';
import { AccessControl } from '../rules/access-control.ts';
import { Inspector } from './inspector.ts';
import type { Attached } from './interface.ts';

let opened: OpenRegistry;
let inspector: Inspector;

beforeEach(() => {
  opened = openRegistry();
  inspector = new Inspector({ registry: opened.registry, ...past(), memory: 1_000_000, now: () => 0 });
});

/** The past of what is opened; only its log and its names, not the registry of the past. */
function past() {
  const views = { shown: async () => {} };
  const yieldToRequests = async () => {};
  const ports = { driver: opened.driver, views, now: () => Date.now(), yieldToRequests };
  const history = new HistoryService({ ...ports, states: new PastStates({ ...ports, memory: 1_000_000 }) });
  return { history, names: new PastNames('at') };
}

async function push(repo: RepositoryName, content: Content | Image, name?: string): Promise<void> {
  if ('blobs' in content) for (const { bytes } of content.blobs) await opened.push(repo, bytes);
  const { bytes, descriptor } = content;
  const pushed = {
    bytes: new Uint8Array(bytes),
    contentType: descriptor.mediaType,
    digest: descriptor.digest as Digest,
    tags: name === undefined ? [] : [tag(name)],
  };
  await opened.registry.pushManifest(repo, pushed, CALLER);
}

const byTag = (name: string) => ({ kind: 'tag', tag: tag(name) }) as const;
const described = (name: string, repo = A) => inspector.manifest(repo, byTag(name), CALLER);
const text = (value: string, mediaType: string) => {
  const bytes = new TextEncoder().encode(value);
  return { bytes, descriptor: { ...json({}, mediaType).descriptor, ...digested(bytes) } };
};

function digested(bytes: Uint8Array): { digest: string; size: number } {
  return { digest: `sha256:${new Bun.CryptoHasher('sha256').update(bytes).digest('hex')}`, size: bytes.length };
}

const [base, top] = [json('base', mediaTypes.layer), json('top', mediaTypes.layer)];
const CONFIG = json(
  {
    architecture: 'arm64',
    os: 'linux',
    variant: 'v8',
    created: '2026-11-01T00:00:00Z',
    config: {
      ...{ User: '1000', WorkingDir: '/srv', Entrypoint: ['/bin/app'], Cmd: ['--serve'], Env: ['PATH=/bin'] },
      ExposedPorts: { '80/tcp': {} },
      Labels: { 'org.opencontainers.image.description': 'An application.', 'dev.marina.readme': '# Hello' },
    },
    history: [
      { created_by: 'COPY base' },
      { created_by: 'ENV PATH=/bin', empty_layer: true },
      { created_by: 'RUN top', comment: 'buildkit' },
    ],
  },
  mediaTypes.config,
);
const app = image({ config: CONFIG, layers: [base, top] });
const SPDX = {
  spdxVersion: 'SPDX-2.3',
  name: 'app',
  creationInfo: { created: '2026-11-01T00:00:00Z', creators: ['Tool: syft-1.0', 'Organization: x'] },
  packages: [
    {
      ...{ name: 'zlib', versionInfo: '1.2', licenseConcluded: 'NOASSERTION', licenseDeclared: 'Zlib' },
      externalRefs: [{ referenceType: 'purl', referenceLocator: 'pkg:apk/zlib@1.2' }],
    },
  ],
};
const ZLIB = { name: 'zlib', version: '1.2', license: 'Zlib', purl: 'pkg:apk/zlib@1.2' };

describe('an image', () => {
  test('is shown with its layers, the commands that made them and its config', async () => {
    await push(A, app, 'v1');
    const found = await described('v1');
    expect(found).toMatchObject({ kind: 'image', digest: app.descriptor.digest, omitted: [], attached: [] });
    expect(found.layers.map(({ digest, command }) => [digest, command])).toEqual([
      [base.descriptor.digest, 'COPY base'],
      [top.descriptor.digest, 'RUN top'],
    ]);
    expect(found.history.map(({ layer }) => layer)).toEqual([base.descriptor.digest, undefined, top.descriptor.digest]);
    expect(found.config).toMatchObject({
      ...{ platform: 'linux/arm64/v8', created: '2026-11-01T00:00:00.000Z', user: '1000', workingDir: '/srv' },
      ...{ entrypoint: ['/bin/app'], cmd: ['--serve'], env: ['PATH=/bin'], ports: ['80/tcp'] },
    });
    expect([found.description, found.readme?.text, found.readme?.from]).toEqual([
      'An application.',
      '# Hello',
      'label',
    ]);
    const sizes = [app, CONFIG, base, top].map(({ descriptor }) => descriptor.size);
    expect(found.total).toBe(sizes.reduce((sum, size) => sum + size));
  });

  test('of which the config is gone or too long is shown without it, and says so', async () => {
    const long = text(`{"architecture":"amd64","os":"linux","junk":"${'x'.repeat(5_000_000)}"}`, mediaTypes.config);
    await push(A, image({ config: long, layers: [base] }), 'long');
    const found = await described('long');
    expect(found.config?.platform).toBe('linux/amd64');
    expect(found.omitted).toEqual([`the config has ${long.descriptor.size} bytes; only the first 4 MiB were read`]);
    const broken = text('not JSON', mediaTypes.config);
    await push(A, image({ config: broken, layers: [base] }), 'broken');
    expect((await described('broken')).layers).toHaveLength(1);
  });

  test('in an index is one of its platforms, and its attestation is attached to it', async () => {
    const statement = json(
      {
        _type: 'https://in-toto.io/Statement/v0.1',
        predicateType: 'https://spdx.dev/Document',
        subject: [{ name: 'app', digest: { sha256: 'abc' } }],
        predicate: SPDX,
      },
      'application/vnd.in-toto+json',
    );
    const attestation = image({ layers: [statement] });
    const annotations = {
      'vnd.docker.reference.type': 'attestation-manifest',
      'vnd.docker.reference.digest': app.descriptor.digest,
    };
    const platform = { os: 'linux', architecture: 'arm64' };
    const absent = image();
    const both = index([
      { ...app, descriptor: { ...app.descriptor, platform } },
      absent,
      { ...attestation, descriptor: { ...attestation.descriptor, annotations } },
    ]);
    await push(A, app);
    await push(A, attestation);
    await push(A, both, 'v1');
    const found = await described('v1');
    expect(found.kind).toBe('index');
    expect(found.platforms.map(({ digest, platform: name }) => [digest, name])).toEqual([
      [app.descriptor.digest, 'linux/arm64'],
      [absent.descriptor.digest, undefined],
    ]);
    expect(found.platforms[1]?.total).toBeUndefined();
    expect(found.description).toBe('An application.');
    expect(found.badges).toEqual({ signed: false, sbom: true, attested: true });
    const [attached] = found.attached;
    expect(attached).toMatchObject({
      via: 'index',
      subject: app.descriptor.digest,
      digest: attestation.descriptor.digest,
    });
    expect(attached?.documents.sboms[0]).toMatchObject({ format: 'SPDX', version: '2.3', packages: [ZLIB] });
    expect(attached?.documents.attestations).toMatchObject([
      {
        predicateType: 'https://spdx.dev/Document',
        isSigned: false,
        subjects: [{ name: 'app', digest: 'sha256:abc' }],
      },
    ]);
  });
});

test('an AI model and a WebAssembly component say what their configs say', async () => {
  const model = json(
    { descriptor: { name: 'tides', vendor: 'harbour' }, config: { format: 'gguf', paramSize: '7b' } },
    'application/vnd.cncf.model.config.v1+json',
  );
  const weights = json('weights', 'application/vnd.cncf.model.weight.v1.gguf');
  await push(A, image({ config: model, layers: [weights] }), 'model');
  expect(await described('model')).toMatchObject({
    kind: 'model',
    facts: { 'descriptor.name': 'tides', 'config.format': 'gguf', 'config.paramSize': '7b' },
  });
  const module = json(
    { architecture: 'wasm', os: 'wasip2', layerDigests: ['sha256:0'], component: { exports: ['wasi:http/handler'] } },
    'application/vnd.wasm.config.v0+json',
  );
  await push(A, image({ config: module, layers: [json('wasm', 'application/wasm')] }), 'wasm');
  expect(await described('wasm')).toMatchObject({
    kind: 'wasm',
    facts: { architecture: 'wasm', os: 'wasip2', 'component.exports': 'wasi:http/handler' },
  });
  await push(A, app, 'v1');
  expect((await described('v1')).facts).toEqual({});
});

describe('what is attached', () => {
  const subject = app.descriptor;
  const kinds = (attached: readonly Attached[]) => attached.map(({ kind, via }) => `${kind} by ${via}`);

  test('is found by subject, by tag, and behind what is attached itself', async () => {
    await push(A, app, 'v1');
    const sbom = image({
      subject,
      artifactType: 'application/spdx+json',
      layers: [json(SPDX, 'application/spdx+json')],
    });
    const ofSbom = image({ subject: sbom.descriptor, artifactType: 'application/vnd.cncf.notary.signature' });
    const payload = json(
      {
        critical: { identity: { 'docker-reference': 'r/app' }, image: { 'docker-manifest-digest': subject.digest } },
        optional: { build: '7' },
      },
      'application/vnd.dev.cosign.simplesigning.v1+json',
    );
    const entry = JSON.stringify({ Payload: { integratedTime: 1_700_000_000, logIndex: 12 } });
    const signed = { ...payload.descriptor, annotations: { 'dev.sigstore.cosign/bundle': entry } };
    const signature = image({ layers: [{ ...payload, descriptor: signed }] });
    for (const each of [sbom, ofSbom]) await push(A, each);
    await push(A, signature, `${subject.digest.replace(':', '-')}.sig`);
    const found = await described('v1');
    expect(kinds(found.attached)).toEqual(['sbom by subject', 'signature by subject', 'signature by tag']);
    expect(found.attached[1]?.subject).toBe(sbom.descriptor.digest);
    expect(found.badges).toEqual({ signed: true, sbom: true, attested: false });
    expect(found.attached[2]?.documents.signatures).toMatchObject([
      {
        ...{ format: 'cosign', signedReference: 'r/app', signedDigest: subject.digest, claims: { build: '7' } },
        ...{ logIndex: 12, signedAt: '2023-11-14T22:13:20.000Z' },
      },
    ]);
  });

  test('in envelopes and bundles is opened', async () => {
    await push(A, app, 'v1');
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      predicateType: 'https://slsa.dev/provenance/v1',
      subject: [{ digest: { sha256: 'abc' } }],
      predicate: { buildDefinition: { buildType: 'make' }, runDetails: { builder: { id: 'https://ci' } } },
    };
    const dsseEnvelope = { payload: Buffer.from(JSON.stringify(statement)).toString('base64'), signatures: [{}] };
    const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const bundle = json({ verificationMaterial: { tlogEntries: [{ logIndex: '5' }] }, dsseEnvelope }, type);
    const annotated = { ...bundle.descriptor, annotations: { 'dev.sigstore.bundle.content': 'dsse-envelope' } };
    await push(A, image({ subject, artifactType: type, layers: [{ ...bundle, descriptor: annotated }] }));
    const envelope = json(dsseEnvelope, 'application/vnd.dsse.envelope.v1+json');
    await push(A, image({ layers: [envelope] }), `${subject.digest.replace(':', '-')}.att`);
    const { attached, badges } = await described('v1');
    const made = { predicateType: statement.predicateType, builder: 'https://ci', buildType: 'make', isSigned: true };
    expect(attached.map(({ documents }) => documents.attestations)).toMatchObject([[made], [made]]);
    expect(attached.map(({ documents }) => documents.signatures.length)).toEqual([1, 0]);
    // It is an attestation of the image and no signature of it.
    expect(badges).toEqual({ signed: false, sbom: false, attested: true });
  });

  test('as cosign 3 signs with a key, is a signature and no attestation', async () => {
    await push(A, app, 'v1');
    const statement = {
      _type: 'https://in-toto.io/Statement/v1',
      subject: [{ digest: { sha256: 'abc' }, annotations: { berth: 'seven' } }],
      predicateType: 'https://sigstore.dev/cosign/sign/v1',
      predicate: {},
    };
    const dsseEnvelope = { payload: Buffer.from(JSON.stringify(statement)).toString('base64'), signatures: [{}] };
    const type = 'application/vnd.dev.sigstore.bundle.v0.3+json';
    const bundle = json({ verificationMaterial: { publicKey: { hint: 'uUF8' } }, dsseEnvelope }, type);
    // The manifest says what the bundle is, and not its layer.
    const annotations = { 'dev.sigstore.bundle.predicateType': statement.predicateType };
    await push(A, image({ subject, artifactType: type, layers: [bundle], annotations }));
    const { attached, badges } = await described('v1');
    expect(kinds(attached)).toEqual(['signature by subject']);
    expect(attached[0]?.documents).toMatchObject({
      signatures: [{ key: 'uUF8', signedDigest: 'sha256:abc', claims: { berth: 'seven' } }],
      attestations: [],
    });
    expect(badges).toEqual({ signed: true, sbom: false, attested: false });
  });

  test('as a README is shown, unless an annotation has one', async () => {
    await push(A, image({ annotations: { 'org.opencontainers.image.documentation': 'https://example.com' } }), 'v1');
    const { digest } = await described('v1');
    const target = { mediaType: mediaTypes.manifest, digest, size: 1 };
    const markdown = text('# From a referrer', 'text/markdown');
    await push(A, image({ subject: target, artifactType: 'text/markdown', layers: [markdown] }));
    expect((await described('v1')).readme).toEqual({ text: '# From a referrer', from: 'referrer', isCut: false });
    await push(A, image({ annotations: { 'org.opencontainers.image.documentation': '# Inline' } }), 'v2');
    expect((await described('v2')).readme).toMatchObject({ text: '# Inline', from: 'annotation' });
  });

  test('in a circle, or more than a page shows, ends', async () => {
    await push(A, app, 'v1');
    for (let count = 0; count < 205; count++) await push(A, image({ subject, artifactType: 'application/x' }));
    const { attached, omitted } = await described('v1');
    expect(attached).toHaveLength(200);
    expect(omitted).toEqual(['only 200 of the things that are attached to it are shown']);
  });

  test('as a bill of materials of ten megabytes is read in part, and says so', async () => {
    const packages = Array.from({ length: 100_000 }, (_, at) => ({
      SPDXID: `p${at}`,
      name: `package-${at}`,
      versionInfo: '1',
    }));
    const long = json({ spdxVersion: 'SPDX-2.3', packages }, 'application/spdx+json');
    await push(A, app, 'v1');
    await push(A, image({ subject, artifactType: 'application/spdx+json', layers: [long] }));
    const { attached } = await described('v1');
    const [sbom] = attached[0]?.documents.sboms ?? [];
    expect(sbom?.isCut).toBe(true);
    expect(sbom?.packages).toHaveLength(1_000);
    expect(sbom?.count).toBe(20_000);
    const all = await inspector.packages(A, byTag('v1'), CALLER);
    expect([all.packages.length, all.isCut]).toEqual([20_000, true]);
  });
});

test('a Helm chart shows its metadata', async () => {
  const config = json(
    {
      name: 'web',
      version: '1.2.3',
      maintainers: [{ name: 'Ann' }, 7],
      dependencies: [{ name: 'redis' }],
      keywords: 3,
    },
    'application/vnd.cncf.helm.config.v1+json',
  );
  await push(A, image({ config }), '1.2.3');
  const found = await described('1.2.3');
  expect(found.kind).toBe('helm-chart');
  expect(found.chart).toMatchObject({
    name: 'web',
    maintainers: [{ name: 'Ann' }],
    dependencies: [{ name: 'redis' }],
    keywords: [],
  });
});

test('manifests of different repositories are compared with their packages', async () => {
  const newer = image({ config: CONFIG, layers: [base] });
  await push(A, app, 'v1');
  await push(B, newer, 'v2');
  expect((await inspector.compare(address(A, 'v1'), address(B, 'v2'), {}, CALLER)).packages).toBeUndefined();
  const type = 'application/spdx+json';
  await push(A, image({ subject: app.descriptor, artifactType: type, layers: [json(SPDX, type)] }));
  const changed = { ...SPDX, packages: [{ name: 'zlib', versionInfo: '1.3' }] };
  await push(B, image({ subject: newer.descriptor, artifactType: type, layers: [json(changed, type)] }));
  const found = await inspector.compare(address(A, 'v1'), address(B, 'v2'), {}, CALLER);
  expect(found.packages).toEqual({
    items: [{ change: 'changed', name: 'zlib', from: '1.2', to: '1.3' }],
    count: 1,
    same: 0,
  });
  expect(found.layers.map(({ change }) => change)).toEqual(['same', 'gone']);
});

function address(repo: RepositoryName, name: string, slot?: number) {
  return { repo, reference: byTag(name), at: slot === undefined ? undefined : ({ kind: 'slot', seq: slot } as const) };
}

test('a tag is compared with what it was, and layers have their commands', async () => {
  await push(A, app, 'v1');
  const { seq } = await past().history.contents(A, undefined);
  await push(A, image({ config: CONFIG, layers: [base] }), 'v1');
  const found = await inspector.compare(address(A, 'v1', seq), address(A, 'v1'), {}, CALLER);
  expect(found.from).toMatchObject({ repository: A, digest: app.descriptor.digest, kind: 'image' });
  expect(found.layers.map(({ change, command }) => [change, command])).toEqual([
    ['same', 'COPY base'],
    ['gone', 'RUN top'],
  ]);
  expect(await refusalOf(inspector.compare(address(A, 'v2', seq), address(A, 'v1'), {}, CALLER))).toBe(
    'manifest-unknown',
  );
});

test('a line of a list has kind, platforms and size, of an index with its images', async () => {
  const whole = index([app]);
  await push(A, app, 'v1');
  await push(A, whole, 'all');
  const [one, all] = [
    await inspector.summary(A, byTag('v1'), CALLER),
    await inspector.summary(A, byTag('all'), CALLER),
  ];
  expect(one).toMatchObject({ kind: 'image', platforms: ['linux/arm64/v8'], total: (await described('v1')).total });
  expect(all).toMatchObject({ kind: 'index', total: one.total + whole.bytes.length });
});

describe('indexes are compared', () => {
  const platform = { os: 'linux', architecture: 'amd64' };
  const newer = image({ config: CONFIG, layers: [base] });
  const of = (each: Image, ...others: object[]) =>
    json(
      { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [{ ...each.descriptor, platform }, ...others] },
      mediaTypes.index,
    );

  beforeEach(async () => {
    for (const each of [app, newer]) await push(A, each);
    await push(A, of(app, { ...newer.descriptor, platform: { os: 'linux', architecture: 'arm64' } }), 'v1');
    await push(A, of(newer), 'v2');
  });

  test('by platform', async () => {
    const { platforms } = await inspector.compare(address(A, 'v1'), address(A, 'v2'), {}, CALLER);
    expect(platforms).toEqual([
      {
        ...{ change: 'changed', platform: 'linux/amd64' },
        ...{ from: app.descriptor.digest, to: newer.descriptor.digest },
      },
      { change: 'gone', platform: 'linux/arm64', from: newer.descriptor.digest, to: undefined },
    ]);
  });

  test('or the images for one platform', async () => {
    const chosen = { platform: 'linux/amd64' };
    const found = await inspector.compare(address(A, 'v1'), address(A, 'v2'), chosen, CALLER);
    expect(found.layers.map(({ change }) => change)).toEqual(['same', 'gone']);
    expect(found.from).toMatchObject({ kind: 'image', digest: app.descriptor.digest });
    expect(found.platforms).toHaveLength(2);
    const missing = { platform: 'windows/amd64' };
    expect(await refusalOf(inspector.compare(address(A, 'v1'), address(A, 'v2'), missing, CALLER))).toBe(
      'manifest-unknown',
    );
  });
});

test('a repository that the caller may not pull from looks like a missing one, also after its content was read', async () => {
  await push(A, app, 'v1');
  let isAllowed = true;
  const policy = {
    allows: () => isAllowed,
    mayPullUnnamed: () => isAllowed,
    mayList: () => isAllowed,
    maySeeAny: () => isAllowed,
    allowsRegistry: () => isAllowed,
  };
  const guarded = new Inspector({
    registry: new AccessControl(opened.registry, policy),
    ...past(),
    ...{ memory: 1_000_000, now: () => 0 },
  });
  expect((await guarded.manifest(A, byTag('v1'), CALLER)).kind).toBe('image');
  isAllowed = false;
  expect(await refusalOf(guarded.manifest(A, byTag('v1'), CALLER))).toBe('name-unknown');
  expect(await refusalOf(guarded.compare(address(A, 'v1'), address(A, 'v1'), {}, CALLER))).toBe('name-unknown');
});
