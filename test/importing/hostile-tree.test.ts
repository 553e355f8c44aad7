// Trees that others can still write to: links that lead elsewhere are not followed, and files that may change are copied.
import { afterAll, expect, setDefaultTimeout, test } from 'bun:test';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { ImportReport, Problem } from '../../src/importing/report.ts';
import { linesOf, marina } from '../cli/marina.ts';
import { type Image, image } from '../support/oci.ts';
import { cleanUp, temporaryFolder } from '../support/server.ts';

setDefaultTimeout(300_000);
afterAll(cleanUp);

interface Tree {
  readonly root: string;
  readonly image: Image;
  /** The path of the bytes of a digest. */
  readonly blob: (digest: string) => string;
  /** The path of the link of the layer in the repository. */
  readonly layerLink: string;
  readonly layer: string;
  readonly repository: string;
}

/** One image, as distribution stores it. */
function makeTree(): Tree {
  const root = temporaryFolder('hostile-tree');
  const registry = join(root, 'docker/registry/v2');
  const repository = join(registry, 'repositories/team/app');
  const pushed = image();
  const put = (path: string, bytes: string | Uint8Array): string => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes, { mode: 0o644 });
    return path;
  };
  const blob = (digest: string): string => {
    const hex = digest.slice('sha256:'.length);
    return join(registry, 'blobs/sha256', hex.slice(0, 2), hex, 'data');
  };
  const link = (below: string, digest: string): string =>
    put(join(repository, below, 'sha256', digest.slice('sha256:'.length), 'link'), digest);
  for (const { bytes, descriptor } of pushed.blobs) {
    put(blob(descriptor.digest), bytes);
    link('_layers', descriptor.digest);
  }
  put(blob(pushed.descriptor.digest), pushed.bytes);
  link('_manifests/revisions', pushed.descriptor.digest);
  put(join(repository, '_manifests/tags/v1/current/link'), pushed.descriptor.digest);
  const layer = pushed.blobs.at(-1)?.descriptor.digest ?? '';
  const layerLink = join(repository, '_layers/sha256', layer.slice('sha256:'.length), 'link');
  return { root, image: pushed, blob, layerLink, layer, repository };
}

async function importTree({ root }: Tree, ...options: readonly string[]) {
  const dataPath = join(temporaryFolder('into'), 'data');
  const { code, stdout, stderr } = await marina(dataPath, 'import', '--json', ...options, root);
  const lines = linesOf(stdout);
  const summary: Partial<ImportReport> = JSON.parse(lines.at(-1) ?? '{}');
  const problems: Problem[] = lines.slice(0, -1).map((line) => JSON.parse(line));
  return { dataPath, code, stderr, summary, problems };
}

/** Everything below data/. */
function objects(dataPath: string): { readonly path: string; readonly isFile: boolean; readonly text: string }[] {
  const below = readdirSync(join(dataPath, 'data'), { recursive: true, withFileTypes: true });
  return below
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return { path, isFile: lstatSync(path).isFile(), text: readFileSync(path, 'latin1') };
    });
}

test('an unmodified tree is imported without additional space', async () => {
  const tree = makeTree();
  const { code, problems, summary } = await importTree(tree);
  expect([code, problems]).toEqual([0, []]);
  expect(summary.blobs?.linked.count).toBe(new Set(tree.image.blobs.map(({ descriptor }) => descriptor.digest)).size);
});

test.each(['--json', '--trust'])(
  'a data file that is a symbolic link is neither followed nor imported (import %s)',
  async (option) => {
    const tree = makeTree();
    const secret = join(temporaryFolder('elsewhere'), 'secret');
    // Its target has the right bytes, so that the digest does not reveal it.
    renameSync(tree.blob(tree.layer), secret);
    symlinkSync(secret, tree.blob(tree.layer));
    const { code, problems, dataPath } = await importTree(tree, option);
    expect(code).toBe(1);
    expect(problems).toContainEqual({
      ...{ problem: 'unreadable', repo: 'team/app', digest: tree.layer },
      ...{ message: expect.stringContaining('is a symbolic link'), type: expect.anything() },
    });
    for (const { path, isFile, text } of objects(dataPath)) {
      expect([path, isFile, text === readFileSync(secret, 'latin1')]).toEqual([path, true, false]);
    }
  },
);

test('a link file of a repository that is a symbolic link is not followed', async () => {
  const tree = makeTree();
  const elsewhere = join(temporaryFolder('elsewhere'), 'link');
  renameSync(tree.layerLink, elsewhere);
  symlinkSync(elsewhere, tree.layerLink);
  const { code, problems } = await importTree(tree);
  expect(code).toBe(1);
  expect(problems.map(({ problem, digest }) => [problem, digest])).toContainEqual(['unreadable', tree.layer]);
});

test('a folder that is a symbolic link ends the import with one line; the source path itself may be one', async () => {
  const tree = makeTree();
  const named = join(temporaryFolder('named'), 'registry');
  symlinkSync(tree.root, named);
  expect((await importTree({ ...tree, root: named })).code).toBe(0);
  const moved = join(temporaryFolder('elsewhere'), 'app');
  renameSync(tree.repository, moved);
  symlinkSync(moved, tree.repository);
  const { code, stderr } = await importTree(tree);
  expect(code).not.toBe(0);
  expect(stderr).toContain('repositories/team/app is a symbolic link');
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
});

test.each([
  ['its group', 0o664],
  ['everyone', 0o666],
])('bytes that %s may write to are copied, and stay as they were verified', async (_, mode) => {
  const tree = makeTree();
  chmodSync(tree.blob(tree.layer), mode);
  const before = readFileSync(tree.blob(tree.layer), 'latin1');
  const { code, summary, dataPath } = await importTree(tree);
  expect([code, summary.blobs?.copied.count]).toEqual([0, 1]);
  writeFileSync(tree.blob(tree.layer), 'something else');
  expect(objects(dataPath).map(({ text }) => text)).toContain(before);
  expect(objects(dataPath).map(({ text }) => text)).not.toContain('something else');
  rmSync(tree.root, { recursive: true });
});
