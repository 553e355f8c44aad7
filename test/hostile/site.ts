// The target of the hostile requests: a server with a little content, and a listing of everything on its disk.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import {
  type Content,
  content,
  expectStatus,
  type Image,
  image,
  json,
  mediaTypes,
  pushBlob,
  pushImage,
  pushManifest,
} from '../support/oci.ts';
import { type Server, startServer } from '../support/server.ts';

export interface Site {
  readonly server: Server;
  readonly repo: string;
  /** A second repository, whose blob the first one lacks. */
  readonly other: string;
  readonly blob: Content;
  readonly otherBlob: Content;
  readonly image: Image;
  readonly tag: string;
  /** A manifest of the image without `mediaType`, pushed with the right type; another tag points to it. */
  readonly untyped: Content;
  /** Paths of a finished and a cancelled upload into `repo`. */
  readonly finished: string;
  readonly cancelled: string;
  /** Path of an open upload without bytes into `other`. */
  readonly foreign: string;
}

/** The bytes of an upload before a row uses it. */
export const UPLOADED = 'hello';

const REPO = 'hostile/target';
const OTHER = 'hostile/other';

export async function openSite(env: Readonly<Record<string, string>> = {}): Promise<Site> {
  const server = await startServer(env);
  const blob = content(new TextEncoder().encode('0123456789'), mediaTypes.layer);
  const otherBlob = content(new TextEncoder().encode('only in the other one'), mediaTypes.layer);
  const pushed = image({ layers: [blob] });
  await pushImage(server.url, REPO, pushed, 'kept');
  await pushBlob(server.url, OTHER, otherBlob);
  const { mediaType: _, ...fields } = pushed.manifest;
  const untyped = json(fields, mediaTypes.manifest);
  await pushManifest(server.url, REPO, untyped, 'untyped');
  const finished = await openUpload(server, REPO);
  await expectStatus(201, `${server.url}${finished}?digest=${blob.descriptor.digest}`, {
    method: 'PUT',
    body: blob.bytes,
  });
  const cancelled = await openUpload(server, REPO);
  // With bytes, so that the folder of uploads exists from now on.
  await expectStatus(202, server.url + cancelled, { method: 'PATCH', body: UPLOADED });
  await expectStatus(204, server.url + cancelled, { method: 'DELETE' });
  const site: Site = {
    ...{ server, repo: REPO, other: OTHER, blob, otherBlob, image: pushed, tag: 'kept', untyped, finished, cancelled },
    foreign: await openUpload(server, OTHER),
  };
  await settled(site);
  return site;
}

/** The path of a new upload. */
export async function openUpload(server: Server, repo: string): Promise<string> {
  const { headers } = await expectStatus(202, `${server.url}/v2/${repo}/blobs/uploads/`, { method: 'POST' });
  const location = headers.get('location');
  if (location === null) throw new Error('the new upload has no Location');
  return new URL(location, server.url).pathname;
}

/** Waits for background work, such as dropping bytes that the store already has, so that no later row is blamed for it. */
export async function settled({ server }: Site): Promise<void> {
  // The files of the write-ahead log are removed some seconds after the last write.
  const wal = join(server.dataPath, 'wal');
  while (existsSync(wal) && readdirSync(wal).length > 0) await Bun.sleep(100);
  for (let before = ''; ; ) {
    const now = [...treeOf(server.dataPath)].join();
    if (now === before) return;
    before = now;
    await Bun.sleep(100);
  }
}

/** Everything below the data folder, files with a hash of their content. */
export function treeOf(folder: string): Map<string, string> {
  const tree = new Map<string, string>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const name = relative(folder, path);
    if (entry.isDirectory()) tree.set(name, 'folder');
    // The control socket, for commands such as `marina gc`.
    else if (entry.isSocket()) tree.set(name, 'socket');
    // Four megabytes of reserved space that need not be read.
    else if (name === join('tmp', 'reserve')) tree.set(name, String(statSync(path).size));
    else tree.set(name, createHash('sha256').update(readFileSync(path)).digest('hex'));
  }
  return tree;
}

/** The differences between two listings, in words. */
export function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const gone = [...before.keys()].filter((name) => !after.has(name)).map((name) => `${name} is gone`);
  const others = [...after].filter(([name, held]) => before.get(name) !== held);
  return [...gone, ...others.map(([name]) => `${name} is ${before.has(name) ? 'changed' : 'new'}`)];
}
