/*
 * Removes files, lists folders and reads small files. On this thread a file costs one system call; on Bun's pool it cost several times
 * that, partly on the serving thread.
 */
import { readdirSync, readFileSync, unlinkSync } from 'node:fs';
import { unreachable } from '../../oci/errors.ts';
import { codeOf } from '../../system/error-code.ts';
import {
  decodePaths,
  type Entry,
  encodeEntries,
  type FileFailure,
  type FileReply,
  type FileRequest,
  MAX_READ_BYTES,
} from './file-protocol.ts';
import { sizeOf } from './files.ts';
import { isMissing } from './system-errors.ts';

/** The engine alone would accumulate tens of megabytes of names in each of these threads. */
const FILES_PER_COLLECTION = 10_000;

/** Files handled since the last collection of memory. */
let handled = 0;

declare const self: {
  onmessage: ((event: { data: FileRequest }) => void) | null;
  postMessage(reply: FileReply, transfer: readonly ArrayBuffer[]): void;
};

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

/** The bytes of a small file, or why there are none. */
function readOne(path: string): Uint8Array | 'missing' | 'large' {
  try {
    const size = sizeOf(path);
    if (size === undefined) return 'missing';
    return size > MAX_READ_BYTES ? 'large' : readFileSync(path);
  } catch (error) {
    if (isMissing(error)) return 'missing';
    throw error;
  }
}

function read(paths: readonly string[]): FileReply {
  const parts: Uint8Array[] = [];
  const files = paths.map((path, index) => {
    try {
      const found = readOne(path);
      if (typeof found === 'string') return found;
      parts.push(found);
      return found.length;
    } catch (error) {
      return failure(index, error);
    }
  });
  handled += paths.length;
  return { kind: 'read', files, bytes: new Uint8Array(Buffer.concat(parts)) };
}

function answer({ kind, paths }: FileRequest): FileReply {
  const all = decodePaths(paths);
  switch (kind) {
    case 'remove':
      return remove(all);
    case 'list':
      return list(all);
    case 'read':
      return read(all);
    default:
      return unreachable(kind);
  }
}

self.onmessage = ({ data }) => {
  const reply = answer(data);
  self.postMessage(reply, reply.kind === 'read' ? [reply.bytes.buffer] : []);
  if (handled < FILES_PER_COLLECTION) return;
  handled = 0;
  Bun.gc(true);
};
