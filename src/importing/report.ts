import { z } from 'zod';
import { parseRepositoryName, type RepositoryName } from '../oci/names.ts';

/** Why something in the source was not imported. */
const PROBLEMS = [
  'name-invalid',
  'tag-invalid',
  'digest-unsupported',
  'link-broken',
  'blob-missing',
  'digest-wrong',
  'unreadable',
  'manifest-invalid',
  'manifest-incomplete',
  'tag-dangling',
  'tag-differs',
  'lost',
] as const;

export const problem = z.object({
  problem: z.enum(PROBLEMS),
  repo: z.string(),
  digest: z.string().optional(),
  tag: z.string().optional(),
  message: z.string(),
});
export type Problem = z.infer<typeof problem>;

export const importRequest = z.object({
  /** An absolute path, or s3://bucket/prefix. */
  source: z.string(),
  /** What the source is: a registry of distribution, or a tar file with an OCI image layout. */
  format: z.enum(['distribution', 'archive']),
  /** The repository that gets all content of an archive. If absent, the archive names them. */
  repository: z
    .custom<RepositoryName>((value) => typeof value === 'string' && parseRepositoryName(value) !== undefined)
    .optional(),
  /** Trust the digests of blobs without reading them. */
  trust: z.boolean(),
  /** Set tags that point elsewhere in our store to what the source has. */
  moveTags: z.boolean(),
  /** Whether entries are counted first, for the progress display. */
  counted: z.boolean(),
});
export type ImportRequest = z.infer<typeof importRequest>;

export const importProgress = z.object({
  /** Entries processed so far. */
  done: z.number(),
  /** Entries of the source, as far as they have been counted. */
  total: z.number(),
  repository: z.string(),
  /** Bytes read for verification or for sending. */
  read: z.number(),
});
export type ImportProgress = z.infer<typeof importProgress>;

const amount = z.object({ count: z.number(), bytes: z.number() });

export const importReport = z.object({
  repositories: z.number(),
  /** `present`: our store had it already. */
  tags: z.object({ set: z.number(), present: z.number() }),
  manifests: z.object({ put: z.number(), present: z.number() }),
  blobs: z.object({
    /** A hard link to the source's file. */
    linked: amount,
    /** A copy made by the file system or the bucket. */
    copied: amount,
    /** Read from the source and written here. */
    sent: amount,
    /** Linked to bytes already in our store, mostly of another repository of the source. */
    shared: amount,
    present: amount,
  }),
  problems: z.number(),
  seconds: z.number(),
});
export type ImportReport = z.infer<typeof importReport>;
/** How the bytes of a blob came into our store. */
export type Way = keyof ImportReport['blobs'];
