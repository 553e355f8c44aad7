/*
 * Removes files, and lists folders. Here each file takes the time of its system call; on Bun's pool it took several times that, of the
 * serving thread's too.
 */
import { readdirSync, unlinkSync } from 'node:fs';
import {
  decodePaths,
  type Entry,
  encodeEntries,
  type FileFailure,
  type FileReply,
  type FileRequest,
} from './file-protocol.ts';
import { sizeOf } from './files.ts';
import { codeOf } from './system-errors.ts';

/** By itself the engine would let tens of megabytes of names gather, in each of these threads. */
const COLLECT_AFTER = 10_000;

/** Files since memory was last given back. */
let handled = 0;

declare const self: { onmessage: ((event: { data: FileRequest }) => void) | null; postMessage(reply: FileReply): void };

function failure(index: number, error: unknown): FileFailure {
  return { index, code: codeOf(error), message: String(error) };
}

function remove(paths: readonly string[]): FileReply {
  const failures: FileFailure[] = [];
  handled += paths.length;
  for (const [index, path] of paths.entries()) {
    try {
      unlinkSync(path);
    } catch (error) {
      failures.push(failure(index, error));
    }
  }
  return { kind: 'removed', failures };
}

function entriesOf(folder: string): Entry[] {
  const entries: Entry[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const { name } = entry;
    const size = entry.isDirectory() ? undefined : sizeOf(`${folder}/${name}`);
    // Gone meanwhile, or no file.
    if (size !== undefined || entry.isDirectory()) entries.push({ name, size });
  }
  handled += entries.length;
  return entries;
}

function list(folders: readonly string[]): FileReply {
  const listed = folders.map((folder, index) => {
    try {
      return encodeEntries(entriesOf(folder));
    } catch (error) {
      return failure(index, error);
    }
  });
  return { kind: 'listed', folders: listed };
}

self.onmessage = ({ data: { kind, paths } }) => {
  const reply = kind === 'remove' ? remove(decodePaths(paths)) : list(decodePaths(paths));
  self.postMessage(reply);
  if (handled < COLLECT_AFTER) return;
  handled = 0;
  Bun.gc(true);
};
