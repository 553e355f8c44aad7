import { afterAll, expect, test } from 'bun:test';
import { join } from 'node:path';
import { blobEntry, type Entry, layoutEntries, writeTar } from '../../test/archive/archives.ts';
import { type Content, image, index, json, mediaTypes, randomBlob } from '../../test/support/oci.ts';
import { cleanUp, temporaryFolder } from '../../test/support/server.ts';
import { RegistryError } from '../oci/errors.ts';
import type { Digest, RepositoryName } from '../oci/names.ts';
import { ImageArchive } from './image-archive.ts';

afterAll(cleanUp);

const INTO = 'team/app' as RepositoryName;
const app = image({ layers: [randomBlob(1_000)] });
const files = filesOf(app, ...app.blobs);
const layout = layoutEntries([['v1', app]]);

function filesOf(...contents: readonly Content[]): Entry[] {
  return contents.map(blobEntry);
}

async function refusal(path: string, into: RepositoryName | 'nowhere' = INTO): Promise<string> {
  const named = into === 'nowhere' ? undefined : into;
  const opened = await ImageArchive.open(path, named).catch((error: unknown) => error);
  if (!(opened instanceof RegistryError)) throw new Error('it was not refused');
  expect(opened.kind).toBe('request-invalid');
  return opened.message;
}

/** `<kind> <repository> <digest or tag>` of each entry. */
async function entriesOf(path: string, into?: RepositoryName): Promise<string[]> {
  const archive = await ImageArchive.open(path, into);
  try {
    return await Array.fromAsync(archive.entries(), (entry) =>
      [entry.kind, entry.repo, entry.kind === 'tag' ? entry.tag : entry.digest].join(' '),
    );
  } finally {
    await archive.close();
  }
}

test.each<[string, readonly Entry[], string]>([
  ['an entry above it', [...layout, ...files, { name: '../x', bytes: 'x' }], 'it has an entry with the name "../x"'],
  ['an absolute name', [...layout, { name: '/x', bytes: 'x' }, ...files], 'it has an entry with the name "/x"'],
  ['a link', [...layout, ...files, { name: 'blobs/x', linkTo: '/etc/passwd' }], 'entry "blobs/x" is neither a file'],
  ['a link for its index', [...layout.slice(0, 1), { name: 'index.json', linkTo: '/etc/passwd' }], 'has no index.json'],
  ['one name twice', [...layout, ...files, ...files.slice(0, 1)], 'twice'],
  ['no layout', files, 'it has no index.json of an OCI image layout'],
  ["Docker's format", [{ name: 'manifest.json', bytes: '[]' }], 'skopeo copy docker-archive:'],
  [
    "Docker's format with links",
    [
      { name: 'a/layer.tar', linkTo: '../b' },
      { name: 'manifest.json', bytes: '[]' },
    ],
    'skopeo',
  ],
  [
    'a broken index',
    [...layout.slice(0, 1), { name: 'index.json', bytes: '{' }],
    'its index.json is no index of manifests',
  ],
])('an archive with %s is refused', async (_, entries, message) => {
  const path = writeTar(entries);
  expect(await refusal(path)).toStartWith(`${path} cannot be loaded: `);
  expect(await refusal(path)).toContain(message);
});

test('an index.json that lies about the size of a manifest is refused', async () => {
  const lying = { ...app, descriptor: { ...app.descriptor, size: app.descriptor.size + 1 } };
  const path = writeTar([...layoutEntries([['v1', lying]]), ...files]);
  expect(await refusal(path)).toContain(`has ${app.descriptor.size + 1} bytes, but it has ${app.descriptor.size}`);
});

test('what is compressed, cut off, no archive or no file is refused', async () => {
  const folder = temporaryFolder('no-archives');
  const whole = await Bun.file(writeTar([...layout, ...files])).bytes();
  const made = async (name: string, bytes: Uint8Array): Promise<string> => {
    await Bun.write(join(folder, name), bytes);
    return join(folder, name);
  };
  for (const [path, message] of [
    [await made('gz', Bun.gzipSync(new Uint8Array(whole))), 'it is compressed with gzip'],
    [await made('zst', Bun.zstdCompressSync(whole)), 'it is compressed with zstd'],
    [await made('cut', whole.subarray(0, 3 * 512)), 'it is cut off'],
    [await made('without-end', whole.subarray(0, -1024)), 'it is cut off: the mark at its end is missing'],
    [await made('empty', new Uint8Array()), 'it is cut off'],
    [import.meta.path, 'it is no tar archive'],
    [folder, 'is no file'],
    [join(folder, 'missing'), 'cannot be read'],
  ] as const) {
    expect(await refusal(path)).toContain(message);
  }
});

test('each manifest goes where the archive says, or all go to one repository, if that is clear', async () => {
  const nameless = writeTar([...layout, ...files]);
  expect(await refusal(nameless, 'nowhere')).toContain('does not say which repository');
  expect(await entriesOf(nameless, INTO)).toContain('tag team/app v1');
  const two = writeTar([
    ...layoutEntries([
      ['a:v1', app],
      ['b:v1', app],
    ]),
    ...files,
  ]);
  expect(await refusal(two)).toContain('it has images of 2 repositories (a, b)');
  const tags = (await entriesOf(two)).filter((entry) => entry.startsWith('tag'));
  expect(tags).toEqual(['tag a v1', 'tag b v1']);
  // What has no name goes with the only one that is named.
  const referrer = image({ subject: app.descriptor });
  const contents = filesOf(referrer, ...referrer.blobs);
  const together = writeTar([
    ...layoutEntries([
      ['a:v1', app],
      [undefined, referrer],
    ]),
    ...files,
    ...contents,
  ]);
  expect(await entriesOf(together)).toContain(`manifest a ${referrer.descriptor.digest}`);
});

test('a repository gets blobs first, then manifests, those of an index before it; what an index lacks is left out', async () => {
  const arm = image();
  const both = index([app, arm]);
  // The cache of a builder: an index of blobs.
  const blob = randomBlob(100);
  const cache = json(
    { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [{ ...blob.descriptor }] },
    mediaTypes.index,
  );
  const path = writeTar([
    ...layoutEntries([
      ['v1', both],
      ['cache', cache],
    ]),
    ...files,
    ...filesOf(both, cache, blob),
  ]);
  const digest = ({ descriptor }: Content): string => descriptor.digest;
  const layers = [...app.blobs, blob].map((each) => `layer team/app ${digest(each)}`);
  const entries = await entriesOf(path, INTO);
  expect(entries.slice(0, layers.length).sort()).toEqual(layers.sort());
  expect(entries.slice(layers.length)).toEqual([
    ...[app, both, cache].map((each) => `manifest team/app ${digest(each)}`),
    ...['v1', 'cache'].map((tag) => `tag team/app ${tag}`),
  ]);
});

test('content is read from where it is, also in pieces', async () => {
  const big = randomBlob(3_000_000);
  const digest = big.descriptor.digest as Digest;
  const other = image({ layers: [big] });
  const path = writeTar([...filesOf(other, ...other.blobs), ...layoutEntries([['v1', other]])]);
  const archive = await ImageArchive.open(path, INTO);
  try {
    expect(await archive.sizeOf(digest)).toBe(3_000_000);
    const object = await archive.open(digest);
    if (object?.body.kind !== 'stream') throw new Error('it is not a stream');
    for (const [start, end] of [
      [0, 3_000_000],
      [1_000_000, 2_500_000],
      [5, 5],
    ] as const) {
      const bytes = await new Response(object.body.open({ start, end })).bytes();
      expect(Buffer.compare(bytes, big.bytes.subarray(start, end))).toBe(0);
    }
    expect(await archive.open(`sha256:${'0'.repeat(64)}` as Digest)).toBeUndefined();
  } finally {
    await archive.close();
  }
});
