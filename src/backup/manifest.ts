import { z } from 'zod';
import { digestOf, parseDigest } from '../oci/digest.ts';
import { jsonOf } from '../oci/json.ts';
import { type Incarnation, parseIncarnation, parseRepositoryName, type RepositoryName } from '../oci/names.ts';
import { BACKUP_NAME } from './layout.ts';
import { type Log, STORE_LOGS } from './logs.ts';

/** Backups of a higher version are refused. */
const VERSION = 1;

const ulid = z.custom<Incarnation>((value) => typeof value === 'string' && parseIncarnation(value) !== undefined);
const repositoryName = z.custom<RepositoryName>(
  (value) => typeof value === 'string' && parseRepositoryName(value) !== undefined,
);
const hash = z.string().refine((text) => parseDigest(text) !== undefined);
const count = z.int().nonnegative();

/** A frame: index of its pack, offset and length there, and its first and last slot. */
const frame = z.tuple([count, count, count, z.int().positive(), z.int().positive()]);
export type Frame = z.infer<typeof frame>;

/** A log as of the backup: its last slot, the hash of that, and all its slots. */
const logCopy = z.object({ seq: z.int().positive(), hash, frames: z.array(frame).min(1) });
export type LogCopy = z.infer<typeof logCopy>;

const manifest = z.object({
  v: z.literal(VERSION),
  id: ulid,
  name: z.string().regex(BACKUP_NAME),
  /** The registry, and what hashes of robots' secrets in it are bound to. */
  store: ulid,
  secrets: ulid,
  /** Which Marina made it. */
  version: z.string(),
  /** ISO 8601. It has everything that was acknowledged before `began`, and all that was written up to `moment`. */
  began: z.iso.datetime(),
  moment: z.iso.datetime(),
  ended: z.iso.datetime(),
  /** The prunes of the place that had ended before it began. */
  prunes: z.array(ulid).default([]),
  /** SHA-256 of each pack, in hex. */
  packs: z.array(z.string().regex(/^[0-9a-f]{64}$/)),
  repositories: z.array(z.tuple([repositoryName, logCopy])),
  logs: z.partialRecord(z.enum(STORE_LOGS), logCopy),
  /** What this run added to the place. */
  added: z.object({ objects: count, bytes: count, slots: count }),
});

/** What a backup consists of. It is written last, so what has one is whole. */
export type Manifest = z.infer<typeof manifest>;

const header = z.object({ v: z.int(), digest: z.string() });
const NEWLINE = 0x0a;

/** One line with the digest of the rest, which is zstd-compressed JSON. */
export function encodeManifest(content: Manifest): Uint8Array {
  const body = Bun.zstdCompressSync(JSON.stringify(content));
  const head = JSON.stringify({ v: VERSION, digest: digestOf('sha256', body) });
  return Buffer.concat([Buffer.from(`${head}\n`), body]);
}

/** @returns the manifest, or why it cannot be used */
export function decodeManifest(bytes: Uint8Array): { readonly manifest: Manifest } | { readonly problem: string } {
  const end = bytes.indexOf(NEWLINE);
  const head = header.safeParse(jsonOf(bytes.subarray(0, Math.max(0, end))));
  if (!head.success) return { problem: 'it is damaged' };
  if (head.data.v > VERSION) return { problem: `it has version ${head.data.v}, this Marina knows ${VERSION}` };
  const body = bytes.subarray(end + 1);
  if (digestOf('sha256', body) !== head.data.digest) return { problem: 'it is damaged' };
  const content = decompressed(body);
  if (content === undefined) return { problem: 'it is damaged' };
  const parsed = manifest.safeParse(jsonOf(content));
  if (!parsed.success) return { problem: `it cannot be read: ${parsed.error.issues[0]?.message ?? 'invalid'}` };
  return { manifest: parsed.data };
}

function decompressed(body: Uint8Array): Uint8Array | undefined {
  try {
    return Bun.zstdDecompressSync(body);
  } catch {
    // The digest says only that these are the bytes that someone wrote.
    return undefined;
  }
}

/** All logs of a backup, in the order in which they are restored. */
export function* logsOf({ repositories, logs }: Manifest): Generator<readonly [Log, LogCopy]> {
  for (const [repo, copy] of repositories) yield [{ kind: 'repository', repo }, copy];
  for (const kind of STORE_LOGS) {
    const copy = logs[kind];
    if (copy !== undefined) yield [{ kind }, copy];
  }
}
