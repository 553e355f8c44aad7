// The target of the hostile requests: a server with a little content, and a listing of everything on its disk.
import { expect } from 'bun:test';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { eventually } from '../support/eventually.ts';
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
import { exchange, type Outcome, type Piece, request } from './wire.ts';

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

const BUSY_WITHIN_MS = 60_000;
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
  return {
    ...{ server, repo: REPO, other: OTHER, blob, otherBlob, image: pushed, tag: 'kept', untyped, finished, cancelled },
    foreign: await openUpload(server, OTHER),
  };
}

/** The path of a new upload. */
export async function openUpload(server: Server, repo: string): Promise<string> {
  const { headers } = await expectStatus(202, `${server.url}/v2/${repo}/blobs/uploads/`, { method: 'POST' });
  const location = headers.get('location');
  if (location === null) throw new Error('the new upload has no Location');
  return new URL(location, server.url).pathname;
}

/**
 * Sends a request that does not end by itself, and waits until it writes to the upload.
 * @returns its outcome, once it ends
 */
export async function sendWriter(
  { port }: Server,
  upload: string,
  pieces: readonly Piece[],
): Promise<{ readonly outcome: Promise<Outcome> }> {
  const deadline = performance.now() + BUSY_WITHIN_MS;
  // As long as nobody writes, a chunk at a wrong offset is out of order. Later it is refused because the upload is busy.
  const probe = request('PATCH', upload, { headers: { 'Content-Range': '900-903' }, body: 'x..x' });
  while (performance.now() < deadline) {
    let isOver = false;
    const outcome = exchange(port, pieces).finally(() => {
      isOver = true;
    });
    while (!isOver && performance.now() < deadline) {
      const probed = statusOf(await exchange(port, probe));
      if (probed === 409) return { outcome };
      expect(probed).toBe(416);
      await Bun.sleep(5);
    }
    // The writer came while a probe had the upload: it is sent again.
    expect(statusOf(await outcome)).toBe(409);
  }
  throw new Error(`no request writes to ${upload}`);
}

/** @throws Error if the connection was closed without an answer */
export function statusOf(outcome: Outcome): number {
  if (outcome === 'closed') throw new Error('closed without an answer');
  return outcome.status;
}

/**
 * Waits for background work, such as dropping bytes that the store already has, so that no later row is blamed for it.
 * @returns everything on the disk
 */
export async function settled({ server }: Site): Promise<ReadonlyMap<string, string>> {
  // The files of the write-ahead log are removed some seconds after the last write.
  const wal = join(server.dataPath, 'wal');
  while (existsSync(wal) && readdirSync(wal).length > 0) await Bun.sleep(100);
  for (let before = treeOf(server.dataPath); ; ) {
    await Bun.sleep(100);
    const now = treeOf(server.dataPath);
    if (changes(before, now).length === 0) return now;
    before = now;
  }
}

/** Waits until the disk is as it was before: the registry may remove traces of a request a moment after its answer. */
export async function expectUnchanged({ server }: Site, before: ReadonlyMap<string, string>): Promise<void> {
  await eventually(() => expect(changes(before, treeOf(server.dataPath))).toEqual([]));
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
    else {
      const bytes = bytesOf(path);
      if (bytes !== undefined) tree.set(name, createHash('sha256').update(bytes).digest('hex'));
    }
  }
  return tree;
}

/** @returns undefined if the server has removed the file since it was listed */
function bytesOf(path: string): Uint8Array | undefined {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** The differences between two listings, in words. */
function changes(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): string[] {
  const gone = [...before.keys()].filter((name) => !after.has(name)).map((name) => `${name} is gone`);
  const others = [...after].filter(([name, held]) => before.get(name) !== held);
  return [...gone, ...others.map(([name]) => `${name} is ${before.has(name) ? 'changed' : 'new'}`)];
}
