// Content for pages: an image with history, an index with attestations, a chart, signatures, and texts of strangers.
import {
  type Content,
  content,
  type Descriptor,
  emptyConfig,
  expectStatus,
  type Image,
  image,
  json,
  mediaTypes,
  pushBlob,
  pushImage,
  pushManifest,
  randomBlob,
} from '../support/oci.ts';

const ATTESTATION = 'application/vnd.in-toto+json';
export const README = `# Harbour

Serves *ships* over \`HTTP\`.

- berths
- tides

| port | depth |
|------|-------|
| a    | 12 m  |

    GET /berths
`;

export interface Platform {
  readonly os: string;
  readonly architecture: string;
}

/** An image as a builder makes it. */
export function builtImage(
  platform: Platform,
  texts: {
    readonly labels?: Readonly<Record<string, string>>;
    readonly env?: readonly string[];
    readonly command?: string;
    readonly commands?: readonly string[];
  } = {},
): Image {
  const layers = [randomBlob(300_000), randomBlob(120_000), randomBlob(9_000), randomBlob(600)];
  const config = json(
    {
      ...platform,
      created: '2026-11-01T12:00:00Z',
      config: {
        Env: texts.env ?? ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', 'HARBOUR_DEPTH=12'],
        Entrypoint: ['/usr/bin/harbour'],
        Cmd: ['serve', '--port', '8080'],
        WorkingDir: '/srv',
        User: '1000:1000',
        ExposedPorts: { '8080/tcp': {} },
        Labels: texts.labels ?? { 'org.opencontainers.image.source': 'https://code.example/harbour/harbour' },
      },
      rootfs: { type: 'layers', diff_ids: layers.map(({ descriptor }) => descriptor.digest) },
      history: [
        { created_by: '/bin/sh -c #(nop) ADD file:3f2b1c in / ' },
        {
          created_by:
            texts.command ??
            'RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates tzdata # buildkit',
        },
        { created_by: 'ENV HARBOUR_DEPTH=12', empty_layer: true },
        { created_by: 'COPY dist/harbour /usr/bin/harbour # buildkit' },
        { created_by: 'COPY config/ /etc/harbour/ # buildkit' },
        { created_by: 'USER 1000:1000', empty_layer: true },
        { created_by: 'ENTRYPOINT ["/usr/bin/harbour"]', empty_layer: true },
        { created_by: 'CMD ["serve" "--port" "8080"]', empty_layer: true },
        ...(texts.commands ?? []).map((command) => ({ created_by: command, comment: command, empty_layer: true })),
      ],
    },
    mediaTypes.config,
  );
  return image({ config, layers });
}

function attestationOf(of: Descriptor): Image {
  const statement = json(
    { _type: 'https://in-toto.io/Statement/v1', subject: [], predicateType: 'https://slsa.dev/provenance/v1' },
    ATTESTATION,
  );
  return image({ config: emptyConfig, layers: [statement], annotations: { 'vnd.docker.reference.digest': of.digest } });
}

/** Pushes an index of two platforms, each with an attestation, as BuildKit does. @returns the index */
export async function pushMultiPlatform(
  url: string,
  repository: string,
  tag: string,
  annotations: Readonly<Record<string, string>> = {},
): Promise<Content> {
  const platforms: readonly Platform[] = [
    { os: 'linux', architecture: 'amd64' },
    { os: 'linux', architecture: 'arm64' },
  ];
  const children: Descriptor[] = [];
  for (const platform of platforms) {
    const built = builtImage(platform);
    await pushImage(url, repository, built);
    const attestation = attestationOf(built.descriptor);
    await pushImage(url, repository, attestation);
    children.push({ ...built.descriptor, platform });
    children.push({
      ...attestation.descriptor,
      platform: { os: 'unknown', architecture: 'unknown' },
      annotations: {
        'vnd.docker.reference.type': 'attestation-manifest',
        'vnd.docker.reference.digest': built.descriptor.digest,
      },
    });
  }
  const whole = json(
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests: children, annotations },
    mediaTypes.index,
  );
  await pushManifest(url, repository, whole, tag);
  return whole;
}

/** Attaches a signature and an SBOM to a manifest. */
export async function attach(url: string, repository: string, subject: Descriptor): Promise<void> {
  const { mediaType, digest, size } = subject;
  const named = { mediaType, digest, size };
  const signature = json({ critical: {} }, 'application/vnd.dev.cosign.simplesigning.v1+json');
  await pushImage(
    url,
    repository,
    image({
      ...{ config: emptyConfig, layers: [signature] },
      artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
      subject: named,
    }),
  );
  const sbom = json(
    { spdxVersion: 'SPDX-2.3', packages: [{ name: 'openssl', versionInfo: '3.5.1' }] },
    'application/spdx+json',
  );
  await pushImage(
    url,
    repository,
    image({ ...{ config: emptyConfig, layers: [sbom] }, artifactType: 'application/spdx+json', subject: named }),
  );
}

/** A Helm chart. */
export function chart(): Image {
  const config = json(
    { name: 'harbour', version: '1.2.3', description: 'Berths for ships', apiVersion: 'v2' },
    'application/vnd.cncf.helm.config.v1+json',
  );
  return image({
    config,
    layers: [content(randomBlob(4_000).bytes, 'application/vnd.cncf.helm.chart.content.v1.tar+gzip')],
  });
}

/** The packages in the bill of materials of each version. */
const PACKAGES = [
  [
    ['alpine-baselayout', '3.6.5'],
    ['musl', '1.2.5-r0'],
    ['openssl', '3.3.1'],
    ['tzdata', '2026a'],
  ],
  [
    ['alpine-baselayout', '3.6.5'],
    ['ca-certificates', '20260601'],
    ['musl', '1.2.5-r4'],
    ['openssl', '3.5.1'],
  ],
] as const;

/**
 * Two versions of an image on the same base, each with a bill of materials; `latest` is the second.
 * @param between runs before the second one gets its tags
 */
export async function pushVersions(
  url: string,
  repository: string,
  between: () => Promise<void> = async () => {},
): Promise<{ readonly first: Image; readonly second: Image }> {
  const base = [randomBlob(300_000), randomBlob(120_000)];
  const versionOf = (depth: string, port: string, last: string, ...layers: readonly Content[]): Image => {
    const config = json(
      {
        ...{ os: 'linux', architecture: 'amd64', created: '2026-11-01T12:00:00Z' },
        config: {
          Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', `HARBOUR_DEPTH=${depth}`],
          Entrypoint: ['/usr/bin/harbour', last],
          User: '1000:1000',
          ExposedPorts: { [port]: {} },
          Labels: { 'org.opencontainers.image.version': last, 'dev.example.team': 'harbour' },
        },
        rootfs: { type: 'layers', diff_ids: [] },
        history: [
          { created_by: '/bin/sh -c #(nop) ADD file:3f2b1c in / ' },
          { created_by: 'RUN /bin/sh -c apt-get update && apt-get install -y ca-certificates tzdata # buildkit' },
          { created_by: `COPY dist/harbour-${last} /usr/bin/harbour # buildkit` },
          { created_by: 'COPY config/ /etc/harbour/ # buildkit' },
        ],
      },
      mediaTypes.config,
    );
    const annotations = { 'org.opencontainers.image.revision': `${last}-1f2e3d`, 'dev.example.line': 'stable' };
    return image({ config, layers: [...base, ...layers], annotations });
  };
  const kept = randomBlob(4_000);
  const first = versionOf('12', '8080/tcp', 'serve-1.0', randomBlob(9_000), kept);
  const second = versionOf('14', '8443/tcp', 'serve-1.1', randomBlob(21_000), kept, randomBlob(2_000));
  for (const [at, version] of [first, second].entries()) {
    const { mediaType, digest, size } = version.descriptor;
    const packages = (PACKAGES[at] ?? []).map(([name, versionInfo]) => ({ name, versionInfo }));
    const sbom = json({ spdxVersion: 'SPDX-2.3', packages }, 'application/spdx+json');
    await pushImage(
      url,
      repository,
      image({
        ...{ config: emptyConfig, layers: [sbom], artifactType: 'application/spdx+json' },
        subject: { mediaType, digest, size },
      }),
    );
    for (const blob of version.blobs) await pushBlob(url, repository, blob);
    if (at > 0) await between();
    // Both tags by one request: a version is there whole, or not at all.
    const tags = new URLSearchParams([`1.${at}`, 'latest'].map((tag): [string, string] => ['tag', tag]));
    await expectStatus(201, `${url}/v2/${repository}/manifests/${digest}?${tags}`, {
      method: 'PUT',
      headers: { 'content-type': mediaType },
      body: version.bytes,
    });
  }
  return { first, second };
}
