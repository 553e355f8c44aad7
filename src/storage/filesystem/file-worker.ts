/*
 * Removes files and lists folders. On this thread a file costs one system call; on Bun's pool it cost several times
 * that, partly on the serving thread.
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

/** The engine alone would accumulate tens of megabytes of names in each of these threads. */
const FILES_PER_COLLECTION = 10_000;

/** Files handled since the last collection of memory. */
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
    // Skips entries that have vanished and those that are not files.
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
  if (handled < FILES_PER_COLLECTION) return;
  handled = 0;
  Bun.gc(true);
};
